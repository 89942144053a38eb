#include "query/run_values.h"

#include <algorithm>

#include "query/matcher.h"

namespace runlog {
namespace {

// The one value of a kind of which a run has at most one.
OptionalText single_value(const RunHead& run, TermKind kind) {
  switch (kind) {
    case TermKind::kTriggerType: return run.trigger_type;
    case TermKind::kTriggerObject: return run.trigger_object;
    case TermKind::kUser: return run.user_id;
    case TermKind::kOrganization: return run.organization_id;
    case TermKind::kFailingNode: return run.error_node_id;
    case TermKind::kErrorCode: return run.error_code;
    default: return std::nullopt;
  }
}

// A run may have several labels, of which some have symbols: only those without are asked for.
void inline_labels(const HeadView& head, const Run& run, std::vector<RunValue>& out) {
  std::vector<TermKey> terms;
  head.terms(terms);
  for (const auto& [key, value] : run.labels) {
    RunValue label{label_name(key, value)};
    const TermKey term = inline_term(TermKind::kLabel, label.name);
    if (std::find(terms.begin(), terms.end(), term) == terms.end()) continue;
    if (std::find(out.begin(), out.end(), label) == out.end()) out.push_back(std::move(label));
  }
}

}  // namespace

Expected<void> inline_values(const Snapshot& snapshot, RecordReader& records, std::size_t segment,
                             Ordinal ordinal, TermKind kind, std::vector<RunValue>& out) {
  out.clear();
  std::span<const std::byte> record;
  const auto head = open_head(snapshot, records, segment, ordinal, &record);
  if (!head) return tl::unexpected(head.error());
  const SequenceNumber sequence = snapshot.segments[segment].sequence(ordinal);
  if (kind == TermKind::kFingerprint) {
    if (const OptionalText message = head->error_message()) {
      out.push_back({error_fingerprint(*message)});
    }
    return {};
  }
  if (kind == TermKind::kLabel) {
    TextArena arena;
    Run run;
    const auto decoded = decode_run(record, sequence, *snapshot.names,
                                    snapshot.dictionaries.get(), arena, run);
    if (!decoded) return tl::unexpected(records.with_place(decoded.error(), segment, ordinal));
    inline_labels(*head, run, out);
    return {};
  }
  RunHead run;
  const auto decoded = decode_head(*head, sequence, *snapshot.names, run);
  if (!decoded) return tl::unexpected(records.with_place(decoded.error(), segment, ordinal));
  if (kind == TermKind::kRecord) {
    out.push_back({std::string(run.trigger_record_id.value_or("")),
                   std::optional<std::string>(run.trigger_object)});
  } else if (const OptionalText value = single_value(run, kind)) {
    out.push_back({std::string(*value)});
  }
  return {};
}

}  // namespace runlog
