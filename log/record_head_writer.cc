#include "log/record_head.h"
#include "log/record_head_layout.h"

namespace runlog {
namespace {

void write_stored_text(Symbol symbol, std::string_view text, ByteWriter& out) {
  if (symbol != 0) {
    out.varint(std::uint64_t(symbol) << 1);
  } else {
    out.varint(std::uint64_t(text.size()) << 1 | 1);
    out.bytes(text.data(), text.size());
  }
}

// Writes the tail's fields and notes which there are.
class TailWriter {
 public:
  TailWriter(const Run& run, SymbolWriter& symbols, ByteWriter& out)
      : run_(run), symbols_(symbols), out_(out) {}

  std::uint16_t write(const BodyPlace& body) {
    write_counts();
    if (body.dictionary != 0) {
      present_ |= kHasDictionary;
      out_.varint(body.dictionary);
    }
    if (run_.flow_version) {
      present_ |= kHasVersion;
      out_.signed_varint(*run_.flow_version);
    }
    name(kHasUser, NameKind::kUser, "userId", run_.user_id);
    name(kHasOrganization, NameKind::kOrganization, "organizationId", run_.organization_id);
    name(kHasTriggerType, NameKind::kTriggerType, "triggerType", run_.trigger_type);
    name(kHasTriggerObject, NameKind::kTriggerObject, "triggerObject", run_.trigger_object);
    if (run_.trigger_record_id) {
      present_ |= kHasRecordId;
      symbols_.check_name("triggerRecordId", *run_.trigger_record_id);
      out_.text(*run_.trigger_record_id);
    }
    name(kHasNode, NameKind::kNode, "nodeId", run_.node_id);
    if (run_.error) write_error(*run_.error);
    if (!run_.labels.empty()) write_labels();
    return present_;
  }

 private:
  void write_counts() {
    if (!run_.summary) return;
    const RunSummary& summary = *run_.summary;
    if (summary.selected == 0 && summary.acted == 0 && summary.unmeasured == 0) return;
    present_ |= kHasCounts;
    out_.signed_varint(summary.selected);
    out_.signed_varint(summary.acted);
    out_.signed_varint(summary.unmeasured);
  }

  void name(Present bit, NameKind kind, std::string_view field, const OptionalText& text) {
    if (!text) return;
    present_ |= bit;
    write_stored_text(symbols_.symbol(kind, field, *text), *text, out_);
  }

  void write_error(const RunError& error) {
    name(kHasFailingNode, NameKind::kNode, "error.nodeId", error.node_id);
    name(kHasCode, NameKind::kErrorCode, "error.code", error.code);
    if (!error.message) return;
    symbols_.check_free_text("error.message", *error.message);
    const std::string_view kept = head_message(*error.message);
    present_ |= kHasMessage;
    if (kept.size() != error.message->size()) present_ |= kMessageIsCut;
    out_.text(kept);
    // Without a symbol for it the fingerprint is computed again from the message when needed.
    const std::string fingerprint = error_fingerprint(kept);
    if (const Symbol symbol =
            symbols_.symbol(NameKind::kFingerprint, "error.message", fingerprint)) {
      present_ |= kHasFingerprint;
      out_.varint(symbol);
    }
  }

  void write_labels() {
    if (run_.labels.size() > kMaxLabels) {
      symbols_.refuse(ErrorCode::TooLarge,
                      "field 'labels' has " + std::to_string(run_.labels.size()) +
                          " members; the limit is " + std::to_string(kMaxLabels));
      return;
    }
    present_ |= kHasLabels;
    out_.varint(run_.labels.size());
    for (const auto& [key, value] : run_.labels) {
      if (key.find('=') != std::string_view::npos) {
        symbols_.refuse(ErrorCode::InvalidArgument,
                        "field 'labels' has the key '" + std::string(key) + "', which contains '='");
        return;
      }
      const std::string name = label_name(key, value);
      write_stored_text(symbols_.symbol(NameKind::kLabel, "labels", name), name, out_);
    }
  }

  const Run& run_;
  SymbolWriter& symbols_;
  ByteWriter& out_;
  std::uint16_t present_ = 0;
};

bool check_required(const Run& run, SymbolWriter& symbols) {
  if (run.run_id.empty()) symbols.refuse(ErrorCode::InvalidArgument, "field 'runId' is empty");
  if (run.flow_name.empty()) {
    symbols.refuse(ErrorCode::InvalidArgument, "field 'flowName' is empty");
  }
  if (run.started_at < kMinStoredTime || run.started_at > kMaxStoredTime) {
    symbols.refuse(ErrorCode::InvalidArgument,
                   "field 'startedAt' is " + std::to_string(run.started_at) +
                       " ms, which is further from 1970 than 4,459 years");
  }
  if (std::size_t(run.status) >= kRunStatusCount) {
    symbols.refuse(ErrorCode::InvalidArgument, "field 'status' is not one of the four that end a run");
  }
  return true;
}

}  // namespace

void write_head(const Run& run, const BodyPlace& body, SymbolWriter& symbols, ByteWriter& out) {
  check_required(run, symbols);
  out.clear();
  out.skip(kHeadFixedBytes);
  std::uint8_t flags = std::uint8_t(run.status) & kStatusMask;
  std::array<std::uint8_t, 16> uuid;
  if (uuid_of(run.run_id, uuid)) {
    flags |= kIdIsUuid;
    out.bytes(uuid.data(), uuid.size());
  } else {
    symbols.check_name("runId", run.run_id);
    out.text(run.run_id);
  }
  const Symbol flow = symbols.symbol(NameKind::kFlow, "flowName", run.flow_name);
  if (flow == 0) {
    symbols.refuse(ErrorCode::TooLarge, "field 'flowName' does not fit into the log's name table");
  }
  out.varint(flow);
  const std::int64_t finished_delta =
      run.finished_at ? minus(*run.finished_at, run.started_at) : 0;
  if (run.finished_at) {
    flags |= kHasFinished;
    out.signed_varint(finished_delta);
  }
  if (run.duration_ms) {
    flags |= kHasDuration;
    if (!run.finished_at || *run.duration_ms != finished_delta) {
      flags |= kDurationDiffers;
      out.signed_varint(*run.duration_ms);
    }
  }
  if (body.compressed) flags |= kBodyIsCompressed;
  const std::uint16_t present = TailWriter(run, symbols, out).write(body);
  if (out.size() > kMaxHeadBytes) {
    symbols.refuse(ErrorCode::TooLarge, "the names and labels of the run take " +
                                            std::to_string(out.size()) + " bytes; the limit is " +
                                            std::to_string(kMaxHeadBytes));
  }
  std::byte* head = out.data();
  std::memset(head, 0, kHeadFixedBytes);
  store(head, kAtHeadBytes, std::uint16_t(out.size()));
  store(head, kAtVersion, kHeadVersion);
  store(head, kAtFlags, flags);
  store(head, kAtBodyBytes, body.bytes);
  store(head, kAtBodyChecksum, body.checksum);
  store48(head, kAtStartedAt, std::uint64_t(run.started_at));
  store(head, kAtPresent, present);
}

}  // namespace runlog
