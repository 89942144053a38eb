#include "log/record_head.h"

#include <algorithm>

#include "log/name_reader.h"
#include "log/record_head_layout.h"
#include "log/xxh.h"

namespace runlog {
namespace {

std::uint32_t head_checksum(std::span<const std::byte> head, SequenceNumber sequence) {
  return std::uint32_t(
      XXH3_64bits_withSeed(head.data() + 4, head.size() - 4, sequence));
}

// A reader that stands behind the run's id. Inlined, as is read_front, so that the reader's place
// stays in a register: a list spends most of its time here.
[[gnu::always_inline]] inline ByteReader after_id(std::span<const std::byte> head) {
  ByteReader reader(head.data() + kHeadFixedBytes, head.size() - kHeadFixedBytes);
  if (flags_of(head) & kIdIsUuid) {
    reader.bytes(16);
  } else {
    reader.text();
  }
  return reader;
}

// The fields in front of the names; returns a reader behind them.
[[gnu::always_inline]] inline ByteReader read_front(std::span<const std::byte> head,
                                                    HeadFields& out) {
  const std::uint8_t flags = flags_of(head);
  const std::uint16_t present = load<std::uint16_t>(head, kAtPresent);
  ByteReader reader = after_id(head);
  out.flow = Symbol(reader.varint());
  out.has_finished = flags & kHasFinished;
  out.has_duration = flags & kHasDuration;
  if (out.has_finished) out.finished_delta = reader.signed_varint();
  out.duration = flags & kDurationDiffers ? reader.signed_varint() : out.finished_delta;
  if (present & kHasCounts) {
    out.selected = reader.signed_varint();
    out.acted = reader.signed_varint();
    out.unmeasured = reader.signed_varint();
  }
  if (present & kHasDictionary) out.dictionary = std::uint32_t(reader.varint());
  return reader;
}

}  // namespace

bool read_head(std::span<const std::byte> head, HeadFields& out) {
  ByteReader reader = read_front(head, out);
  const std::uint16_t present = load<std::uint16_t>(head, kAtPresent);
  out.has_version = present & kHasVersion;
  if (out.has_version) out.version = reader.signed_varint();
  if (present & kHasUser) read_stored_text(reader, out.user);
  if (present & kHasOrganization) read_stored_text(reader, out.organization);
  if (present & kHasTriggerType) read_stored_text(reader, out.trigger_type);
  if (present & kHasTriggerObject) read_stored_text(reader, out.trigger_object);
  if (present & kHasRecordId) {
    out.record_id.present = true;
    out.record_id.text = reader.text();
  }
  if (present & kHasNode) read_stored_text(reader, out.node);
  if (present & kHasFailingNode) read_stored_text(reader, out.failing_node);
  if (present & kHasCode) read_stored_text(reader, out.code);
  out.has_message = present & kHasMessage;
  out.message_is_cut = present & kMessageIsCut;
  if (out.has_message) out.message = reader.text();
  if (present & kHasFingerprint) out.fingerprint = Symbol(reader.varint());
  if (present & kHasLabels) {
    out.label_count = std::min<std::uint64_t>(reader.varint(), kMaxLabels);
    out.labels = reader;
    StoredText label;
    for (std::size_t i = 0; i < out.label_count; ++i) read_stored_text(reader, label);
  }
  return !reader.failed();
}

std::string_view read_run_id(std::span<const std::byte> head, char (&text)[kRunIdTextBytes]) {
  ByteReader reader(head.data() + kHeadFixedBytes, head.size() - kHeadFixedBytes);
  if (!(flags_of(head) & kIdIsUuid)) return reader.text();
  const std::string_view uuid = reader.bytes(16);
  if (uuid.empty()) return {};
  uuid_text(reinterpret_cast<const std::byte*>(uuid.data()), text);
  return {text, kRunIdTextBytes};
}

std::size_t head_bytes(std::span<const std::byte> record) {
  return load<std::uint16_t>(record, kAtHeadBytes);
}

BodyPlace body_place(std::span<const std::byte> head, const HeadFields& fields) {
  return {load<std::uint32_t>(head, kAtBodyBytes), load<std::uint32_t>(head, kAtBodyChecksum),
          (flags_of(head) & kBodyIsCompressed) != 0, fields.dictionary};
}

std::string_view head_message(std::string_view message) {
  if (message.size() <= kHeadMessageBytes) return message;
  std::size_t end = kHeadMessageBytes;
  while (end > 0 && (std::uint8_t(message[end]) & 0xc0) == 0x80) --end;
  return message.substr(0, end);
}

void finish_record(std::span<std::byte> record, SequenceNumber sequence, UnixMs recorded_at,
                   SequenceNumber supersedes) {
  store48(record.data(), kAtRecordedAt, std::uint64_t(recorded_at));
  store48(record.data(), kAtSupersedes, supersedes);
  store(record.data(), 0, head_checksum(record.first(head_bytes(record)), sequence));
}

// ---- checked and looked at in place -----------------------------------------------------------

Expected<HeadView> HeadView::open(std::span<const std::byte> record, SequenceNumber sequence) {
  if (record.size() < kHeadFixedBytes) {
    return fail(ErrorCode::Corruption, "a record of " + std::to_string(record.size()) +
                                           " bytes is shorter than any head");
  }
  const std::size_t head = runlog::head_bytes(record);
  if (head < kHeadFixedBytes || head > record.size()) {
    return fail(ErrorCode::Corruption, "the head's length, " + std::to_string(head) +
                                           ", does not fit into a record of " +
                                           std::to_string(record.size()) + " bytes");
  }
  if (load<std::uint32_t>(record, 0) != head_checksum(record.first(head), sequence)) {
    return fail(ErrorCode::Corruption, "the head's checksum does not match");
  }
  if (std::uint8_t(record[kAtVersion]) != kHeadVersion) {
    return fail(ErrorCode::Corruption,
                "the head has version " + std::to_string(unsigned(record[kAtVersion])) +
                    ", which this release does not know");
  }
  HeadView view;
  view.bytes_ = record.first(head);
  if (view.record_bytes() > record.size()) {
    return fail(ErrorCode::Corruption, "the body's length, " +
                                           std::to_string(load<std::uint32_t>(record, kAtBodyBytes)) +
                                           ", does not fit into the record");
  }
  return view;
}

RunStatus HeadView::status() const { return RunStatus(flags_of(bytes_) & kStatusMask); }
UnixMs HeadView::recorded_at() const { return load_time(bytes_, kAtRecordedAt); }
UnixMs HeadView::started_at() const { return load_time(bytes_, kAtStartedAt); }
SequenceNumber HeadView::supersedes() const { return load48(bytes_, kAtSupersedes); }
bool HeadView::has_duration() const { return flags_of(bytes_) & kHasDuration; }
bool HeadView::has_finished() const { return flags_of(bytes_) & kHasFinished; }

HeadView::Numbers HeadView::numbers() const {
  HeadFields fields;
  read_front(bytes_, fields);
  const UnixMs started = started_at();
  Numbers out;
  out.flow = fields.flow;
  out.selected = fields.selected;
  out.acted = fields.acted;
  out.unmeasured = fields.unmeasured;
  if (fields.has_duration) {
    out.duration_ms = fields.duration;
  } else if (fields.has_finished) {
    out.duration_ms = fields.finished_delta;
  }
  out.finished_at = fields.has_finished   ? plus(started, fields.finished_delta)
                    : fields.has_duration ? plus(started, fields.duration)
                                          : recorded_at();
  return out;
}

Symbol HeadView::flow() const { return Symbol(after_id(bytes_).varint()); }

std::size_t HeadView::record_bytes() const {
  const std::size_t bytes = bytes_.size() + load<std::uint32_t>(bytes_, kAtBodyBytes);
  return (bytes + 7) & ~std::size_t(7);
}

bool HeadView::run_id_is(std::string_view run_id) const {
  char text[kRunIdTextBytes];
  return read_run_id(bytes_, text) == run_id;
}

void HeadView::append_run_id(std::string& out) const {
  char text[kRunIdTextBytes];
  out.append(read_run_id(bytes_, text));
}

OptionalText HeadView::error_message() const {
  HeadFields fields;
  read_head(bytes_, fields);
  return fields.has_message ? OptionalText(fields.message) : std::nullopt;
}

bool HeadView::error_is_cut() const {
  return load<std::uint16_t>(bytes_, kAtPresent) & kMessageIsCut;
}

namespace {

// Reads a head's names one after the other straight into a list's run, without the detour through
// HeadFields: a list spends most of its time here.
class TailReader {
 public:
  TailReader(ByteReader reader, std::uint16_t present, const NameTable& names)
      : reader_(reader), names_(names), table_(names), present_(present) {}

  [[gnu::always_inline]] void name(std::uint16_t bit, NameKind kind, OptionalText& out) {
    if (!(present_ & bit)) {
      out.reset();
      return;
    }
    const std::uint64_t tag = reader_.varint();
    if (tag & 1) {
      out = reader_.bytes(tag >> 1);
    } else if (const std::string_view* found = table_.peek(kind, Symbol(tag >> 1))) {
      out = *found;
    } else {
      out = names_.name(kind, Symbol(tag >> 1));
    }
  }
  void text(std::uint16_t bit, OptionalText& out) {
    if (present_ & bit)
      out = reader_.text();
    else
      out.reset();
  }
  ByteReader& reader() { return reader_; }
  NameReader& names() { return names_; }

 private:
  ByteReader reader_;
  NameReader names_;  // remembers what has no name
  const NameTable& table_;
  std::uint16_t present_;
};

}  // namespace

Expected<void> decode_head(const HeadView& head, SequenceNumber sequence, const NameTable& names,
                           RunHead& out) {
  const std::span<const std::byte> bytes = head.bytes();
  const std::uint16_t present = load<std::uint16_t>(bytes, kAtPresent);
  HeadFields front;
  TailReader tail(read_front(bytes, front), present, names);
  out.sequence = sequence;
  out.run_id = read_run_id(bytes, out.run_id_text);
  out.flow_name = tail.names().name(NameKind::kFlow, front.flow);
  out.status = head.status();
  out.recorded_at = head.recorded_at();
  out.started_at = head.started_at();
  out.finished_at.reset();
  if (front.has_finished) out.finished_at = plus(out.started_at, front.finished_delta);
  out.duration_ms.reset();
  if (front.has_duration) out.duration_ms = front.duration;
  out.selected = front.selected;
  out.acted = front.acted;
  out.unmeasured = front.unmeasured;
  out.flow_version.reset();
  if (present & kHasVersion) out.flow_version = tail.reader().signed_varint();
  tail.name(kHasUser, NameKind::kUser, out.user_id);
  tail.name(kHasOrganization, NameKind::kOrganization, out.organization_id);
  tail.name(kHasTriggerType, NameKind::kTriggerType, out.trigger_type);
  tail.name(kHasTriggerObject, NameKind::kTriggerObject, out.trigger_object);
  tail.text(kHasRecordId, out.trigger_record_id);
  tail.name(kHasNode, NameKind::kNode, out.node_id);
  tail.name(kHasFailingNode, NameKind::kNode, out.error_node_id);
  tail.name(kHasCode, NameKind::kErrorCode, out.error_code);
  out.error_is_cut = present & kMessageIsCut;
  tail.text(kHasMessage, out.error_message);
  if (tail.reader().failed())
    return fail(ErrorCode::Corruption, "the head's fields run past its end");
  return tail.names().finish();
}

}  // namespace runlog
