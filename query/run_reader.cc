#include "query/run_reader.h"

#include <algorithm>
#include <string>

#include "log/body_compression.h"

namespace runlog {

RunReader::RunReader(std::shared_ptr<const Snapshot> snapshot)
    : snapshot_(std::move(snapshot)), records_(*snapshot_) {}

std::optional<RecordPlace> RunReader::place_from(SequenceNumber from) const {
  const auto& segments = snapshot_->segments;
  const auto first = std::partition_point(
      segments.begin(), segments.end(), [&](const SegmentView& view) {
        return view.end != 0 && view.sequence(view.end - 1) < from;
      });
  for (auto view = first; view != segments.end(); ++view) {
    for (Ordinal ordinal = view->lower_bound(from); ordinal < view->end; ++ordinal) {
      if (view->is_dead(ordinal)) continue;
      return RecordPlace{std::size_t(view - segments.begin()), ordinal, view->sequence(ordinal)};
    }
  }
  return std::nullopt;
}

Expected<std::optional<SequenceNumber>> RunReader::find(std::string_view run_id) {
  const auto place = find_run(*snapshot_, records_, run_id);
  if (!place) return tl::unexpected(place.error());
  return *place ? std::optional((*place)->sequence) : std::nullopt;
}

Expected<RunReader::Record> RunReader::find_record(SequenceNumber sequence) {
  const auto place = place_from(sequence);
  if (!place || place->sequence != sequence) {
    return fail(ErrorCode::NotFound,
                "the log has no run with the sequence number " + std::to_string(sequence));
  }
  const auto bytes = records_.read(place->segment, place->ordinal);
  if (!bytes) return tl::unexpected(bytes.error());
  return Record{*place, *bytes};
}

Expected<std::uint64_t> RunReader::body_bytes(SequenceNumber sequence) {
  const auto record = find_record(sequence);
  if (!record) return tl::unexpected(record.error());
  const auto bytes = decoded_body_bytes(record->bytes, sequence);
  if (!bytes) {
    return tl::unexpected(
        records_.with_place(bytes.error(), record->place.segment, record->place.ordinal));
  }
  return *bytes;
}

Expected<const Run*> RunReader::read(SequenceNumber sequence) {
  const auto record = find_record(sequence);
  if (!record) return tl::unexpected(record.error());
  run_ = Run();
  arena_ = std::make_unique<TextArena>();
  const auto decoded = decode_run(record->bytes, sequence, *snapshot_->names,
                                  snapshot_->dictionaries.get(), *arena_, run_);
  if (!decoded) {
    return tl::unexpected(
        records_.with_place(decoded.error(), record->place.segment, record->place.ordinal));
  }
  return &run_;
}

}  // namespace runlog
