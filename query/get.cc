// One run by its id.
#include <cstring>
#include <string>

#include "log/paused_runs.h"
#include "query/live_runs.h"
#include "query/query.h"

namespace runlog {
namespace {

// Where the run's record stands, and its bytes. Errors: NotFound; Corruption; IoError.
struct FoundRecord {
  RecordPlace place;
  std::span<const std::byte> bytes;
};
Expected<FoundRecord> find_record(const Snapshot& snapshot, RecordReader& records,
                                  std::string_view run_id) {
  const auto place = find_run(snapshot, records, run_id);
  if (!place) return tl::unexpected(place.error());
  if (!*place) {
    return fail(ErrorCode::NotFound, "the log has no run '" + std::string(run_id) + "'" +
                                         (snapshot.incomplete ? ", as far as it can be read" : ""));
  }
  const auto bytes = records.read((*place)->segment, (*place)->ordinal);
  if (!bytes) return tl::unexpected(bytes.error());
  return FoundRecord{**place, *bytes};
}

}  // namespace

Expected<OwnedRun> get(std::shared_ptr<const Snapshot> snapshot, std::string_view run_id) {
  if (const auto live = find_paused(*snapshot, run_id)) return live_run(*live);
  RecordReader records(*snapshot);
  const auto found = find_record(*snapshot, records, run_id);
  if (!found) return tl::unexpected(found.error());
  const RecordPlace& place = found->place;
  const auto head = HeadView::open(found->bytes, place.sequence);
  if (!head) return tl::unexpected(records.with_place(head.error(), place.segment, place.ordinal));

  OwnedRun owned{{}, std::make_unique<TextArena>(), snapshot->names};
  const std::span<std::byte> copy = owned.arena->allocate(head->record_bytes());
  std::memcpy(copy.data(), found->bytes.data(), copy.size());
  const auto decoded = decode_run(copy, place.sequence, *snapshot->names,
                                  snapshot->dictionaries.get(), *owned.arena, owned.run);
  if (!decoded) {
    return tl::unexpected(records.with_place(decoded.error(), place.segment, place.ordinal));
  }
  return owned;
}

Expected<SequenceNumber> get_stored(const Snapshot& snapshot, std::string_view run_id,
                                    std::vector<std::byte>& out) {
  RecordReader records(snapshot);
  const auto found = find_record(snapshot, records, run_id);
  if (!found) return tl::unexpected(found.error());
  const RecordPlace& place = found->place;
  const auto record = verify_record(found->bytes, place.sequence);
  if (!record) {
    return tl::unexpected(records.with_place(record.error(), place.segment, place.ordinal));
  }
  out.assign(record->begin(), record->end());
  return place.sequence;
}

}  // namespace runlog
