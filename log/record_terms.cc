// What a run is indexed by, and the comparison of a run's values with what somebody looks for.
#include <algorithm>

#include "log/record_head.h"
#include "log/xxh.h"

namespace runlog {
namespace {

TermKey term_of(TermKind kind, const StoredText& value) {
  return value.symbol != 0 ? TermKey::exact(kind, value.symbol) : inline_term(kind, value.text);
}

TermKey fingerprint_term(const HeadFields& fields) {
  if (fields.fingerprint != 0) return TermKey::exact(TermKind::kFingerprint, fields.fingerprint);
  return inline_term(TermKind::kFingerprint, error_fingerprint(fields.message));
}

void add_label_terms(const HeadFields& fields, std::vector<TermKey>& out) {
  const std::size_t first = out.size();
  ByteReader labels = fields.labels;
  for (std::size_t i = 0; i < fields.label_count; ++i) {
    StoredText label;
    read_stored_text(labels, label);
    const TermKey term = term_of(TermKind::kLabel, label);
    // A run carries a term once, even if the engine gave the label twice.
    if (std::find(out.begin() + std::ptrdiff_t(first), out.end(), term) == out.end()) {
      out.push_back(term);
    }
  }
}

bool is(const StoredText& stored, NameKind kind, std::string_view value, const NameTable& names) {
  if (!stored.present) return false;
  if (stored.symbol == 0) return stored.text == value;
  const std::string_view* name = names.peek(kind, stored.symbol);
  return name != nullptr && *name == value;
}

bool has_label(const HeadFields& fields, std::string_view value, const NameTable& names) {
  ByteReader labels = fields.labels;
  for (std::size_t i = 0; i < fields.label_count; ++i) {
    StoredText label;
    read_stored_text(labels, label);
    if (is(label, NameKind::kLabel, value, names)) return true;
  }
  return false;
}

bool has_fingerprint(const HeadFields& fields, std::string_view value, const NameTable& names) {
  if (!fields.has_message) return false;
  if (fields.fingerprint == 0) return error_fingerprint(fields.message) == value;
  return is({{}, fields.fingerprint, true}, NameKind::kFingerprint, value, names);
}

}  // namespace

std::uint64_t run_id_hash(std::string_view run_id) {
  return XXH3_64bits(run_id.data(), run_id.size());
}

TermKey record_term(std::string_view, std::string_view record_id) {
  return inline_term(TermKind::kRecord, record_id);
}

TermKey inline_term(TermKind kind, std::string_view value) {
  return TermKey::hashed(kind, XXH3_64bits(value.data(), value.size()));
}

std::string label_name(std::string_view key, std::string_view value) {
  std::string name;
  name.reserve(key.size() + 1 + value.size());
  name.append(key).append(1, '=').append(value);
  return name;
}

void head_terms(RunStatus status, const HeadFields& fields, std::vector<TermKey>& out) {
  out.push_back(TermKey::exact(TermKind::kFlow, fields.flow));
  out.push_back(TermKey::exact(TermKind::kStatus, std::uint64_t(status)));
  out.push_back(TermKey::flow_status(fields.flow, unsigned(status)));
  const auto add = [&](TermKind kind, const StoredText& value) {
    if (value.present) out.push_back(term_of(kind, value));
  };
  add(TermKind::kTriggerType, fields.trigger_type);
  add(TermKind::kTriggerObject, fields.trigger_object);
  add(TermKind::kRecord, fields.record_id);
  add(TermKind::kUser, fields.user);
  add(TermKind::kOrganization, fields.organization);
  add(TermKind::kFailingNode, fields.failing_node);
  add(TermKind::kErrorCode, fields.code);
  if (fields.has_message) {
    out.push_back(fingerprint_term(fields));
    out.push_back(TermKey::exact(TermKind::kHasError, 1));
  }
  add_label_terms(fields, out);
}

void HeadView::terms(std::vector<TermKey>& out) const {
  HeadFields fields;
  read_head(bytes_, fields);
  head_terms(status(), fields, out);
}

bool HeadView::matches(TermKind kind, std::string_view value, const NameTable& names) const {
  HeadFields fields;
  if (!read_head(bytes_, fields)) return false;
  switch (kind) {
    case TermKind::kFlow: return is({{}, fields.flow, true}, NameKind::kFlow, value, names);
    case TermKind::kTriggerType:
      return is(fields.trigger_type, NameKind::kTriggerType, value, names);
    case TermKind::kTriggerObject:
      return is(fields.trigger_object, NameKind::kTriggerObject, value, names);
    case TermKind::kRecord: return fields.record_id.present && fields.record_id.text == value;
    case TermKind::kUser: return is(fields.user, NameKind::kUser, value, names);
    case TermKind::kOrganization:
      return is(fields.organization, NameKind::kOrganization, value, names);
    case TermKind::kFailingNode: return is(fields.failing_node, NameKind::kNode, value, names);
    case TermKind::kErrorCode: return is(fields.code, NameKind::kErrorCode, value, names);
    case TermKind::kFingerprint: return has_fingerprint(fields, value, names);
    case TermKind::kLabel: return has_label(fields, value, names);
    case TermKind::kStatus:
    case TermKind::kFlowStatus:
    case TermKind::kHasError: break;  // exact terms without a text of their own
  }
  return false;
}

bool HeadView::matches_record(std::string_view object, std::string_view record_id,
                              const NameTable& names) const {
  HeadFields fields;
  return read_head(bytes_, fields) && fields.record_id.present &&
         fields.record_id.text == record_id &&
         is(fields.trigger_object, NameKind::kTriggerObject, object, names);
}

}  // namespace runlog
