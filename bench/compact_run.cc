#include "bench/compact_run.h"

#include <algorithm>
#include <array>
#include <stdexcept>

namespace runlog::bench {
namespace {

// What an encoded step carries besides node id, type and status.
enum StepFields : std::uint64_t {
  kLabel = 1, kTimes = 2, kError = 4, kSelected = 8, kActed = 16, kUnmeasured = 32,
  kUnmeasuredTrue = 64, kParent = 128, kRegion = 256, kIteration = 512, kMetrics = 1024,
};

constexpr std::string_view kIdPrefix = "run_";
constexpr std::size_t kUuidBytes = 16;
constexpr char kTextId = 0, kUuidId = 1;

int hex_value(char c) {
  if (c >= '0' && c <= '9') return c - '0';
  if (c >= 'a' && c <= 'f') return c - 'a' + 10;
  return -1;
}

bool dash_precedes(std::size_t byte) { return byte == 4 || byte == 6 || byte == 8 || byte == 10; }

bool parse_uuid(std::string_view id, std::array<char, kUuidBytes>& out) {
  if (id.size() != kIdPrefix.size() + 36 || !id.starts_with(kIdPrefix)) return false;
  const char* at = id.data() + kIdPrefix.size();
  for (std::size_t i = 0; i < kUuidBytes; ++i, at += 2) {
    if (dash_precedes(i) && *at++ != '-') return false;
    const int high = hex_value(at[0]), low = hex_value(at[1]);
    if (high < 0 || low < 0) return false;
    out[i] = char(high << 4 | low);
  }
  return true;
}

Text unpack_run_id(std::string_view packed, TextBuffer& buffer) {
  if (packed.empty()) throw std::runtime_error("a peer returned a run without an id");
  if (packed.front() == kTextId) return buffer.keep(packed.substr(1));
  if (packed.size() != 1 + kUuidBytes)
    throw std::runtime_error("a peer returned a run id of another form");
  constexpr char kHex[] = "0123456789abcdef";
  constexpr std::size_t kSize = kIdPrefix.size() + 36;
  char* const text = buffer.reserve(kSize);
  char* at = std::copy(kIdPrefix.begin(), kIdPrefix.end(), text);
  for (std::size_t i = 0; i < kUuidBytes; ++i) {
    if (dash_precedes(i)) *at++ = '-';
    const auto byte = static_cast<unsigned char>(packed[1 + i]);
    *at++ = kHex[byte >> 4];
    *at++ = kHex[byte & 15];
  }
  return {text, kSize};
}

class Writer {
 public:
  explicit Writer(std::string& out) : out_(out) {}
  void number(std::uint64_t value) {
    while (value >= 0x80) {
      out_.push_back(char(value | 0x80));
      value >>= 7;
    }
    out_.push_back(char(value));
  }
  void integer(std::int64_t value) {
    number((std::uint64_t(value) << 1) ^ std::uint64_t(value >> 63));
  }
  void text(std::string_view value) {
    number(value.size());
    out_.append(value);
  }
  void run_id(std::string_view id) {
    const std::size_t place = out_.size();
    out_.push_back('\0');
    pack_run_id(id, out_);
    const std::size_t size = out_.size() - place - 1;
    if (size >= 0x80) throw std::runtime_error("a run id is too long for a peer");
    out_[place] = char(size);
  }
  // Absent is 0, and a length is one more than it is.
  void optional(OptionalText value) {
    number(value ? value->size() + 1 : 0);
    if (value) out_.append(*value);
  }
  void optional(std::optional<std::int64_t> value) {
    number(value ? 1 : 0);
    if (value) integer(*value);
  }

 private:
  std::string& out_;
};

class Reader {
 public:
  Reader(std::string_view bytes, TextBuffer& buffer) : rest_(bytes), buffer_(buffer) {}
  std::uint64_t number() {
    std::uint64_t value = 0;
    for (unsigned shift = 0; shift < 64; shift += 7) {
      if (rest_.empty()) throw std::runtime_error("a peer returned a run that ends early");
      const auto byte = static_cast<unsigned char>(rest_.front());
      rest_.remove_prefix(1);
      value |= std::uint64_t(byte & 0x7f) << shift;
      if (byte < 0x80) break;
    }
    return value;
  }
  std::int64_t integer() {
    const std::uint64_t value = number();
    return std::int64_t(value >> 1) ^ -std::int64_t(value & 1);
  }
  Text text() { return take(number()); }
  Text run_id() {
    const std::uint64_t size = number();
    return unpack_run_id(next(size), buffer_);
  }
  OptionalText optional_text() {
    const std::uint64_t size = number();
    if (size == 0) return std::nullopt;
    return take(size - 1);
  }
  std::optional<std::int64_t> optional_integer() {
    if (number() == 0) return std::nullopt;
    return integer();
  }

 private:
  std::string_view next(std::uint64_t size) {
    if (size > rest_.size()) throw std::runtime_error("a peer returned a run that ends early");
    const std::string_view bytes = rest_.substr(0, size);
    rest_.remove_prefix(size);
    return bytes;
  }
  Text take(std::uint64_t size) { return buffer_.keep(next(size)); }
  std::string_view rest_;
  TextBuffer& buffer_;
};

void write_head(const Run& run, Writer& writer) {
  writer.run_id(run.run_id);
  writer.text(run.flow_name);
  writer.optional(run.flow_version);
  writer.number(std::uint64_t(run.status));
  writer.integer(run.started_at);
  writer.optional(run.finished_at ? std::optional(*run.finished_at - run.started_at)
                                  : std::nullopt);
  writer.optional(run.duration_ms);
  writer.number(run.error ? 1 : 0);
  if (run.error) {
    writer.optional(run.error->code);
    writer.optional(run.error->message);
    writer.optional(run.error->node_id);
  }
  for (const OptionalText& value : {run.node_id, run.organization_id, run.user_id,
                                    run.trigger_type, run.trigger_object, run.trigger_record_id})
    writer.optional(value);
  const RunSummary none;
  const RunSummary& summary = run.summary ? *run.summary : none;
  writer.integer(summary.selected);
  writer.integer(summary.acted);
  writer.integer(summary.unmeasured);
}

void write_step(const Step& step, UnixMs run_start, Writer& writer) {
  std::uint64_t fields = 0;
  if (step.node_label) fields |= kLabel;
  if (step.started_at && step.completed_at && step.duration_ms) fields |= kTimes;
  if (step.error) fields |= kError;
  if (step.metrics) {
    fields |= kMetrics;
    if (step.metrics->selected) fields |= kSelected;
    if (step.metrics->acted) fields |= kActed;
    if (step.metrics->unmeasured_effect) fields |= kUnmeasured;
    if (step.metrics->unmeasured_effect == true) fields |= kUnmeasuredTrue;
  }
  if (step.parent_node_id) fields |= kParent;
  if (step.region_kind) fields |= kRegion;
  if (step.iteration) fields |= kIteration;
  writer.number(fields);
  writer.number(step.status ? std::uint64_t(*step.status) : 3);
  writer.optional(step.node_id);
  writer.optional(step.node_type);
  if (fields & kLabel) writer.text(*step.node_label);
  if (fields & kTimes) {
    writer.integer(*step.started_at - run_start);
    writer.integer(*step.completed_at - *step.started_at);
    writer.integer(*step.duration_ms);
  }
  if (fields & kError) {
    writer.optional(step.error->code);
    writer.optional(step.error->message);
    writer.optional(step.error->stack);
  }
  if (fields & kSelected) writer.integer(*step.metrics->selected);
  if (fields & kActed) writer.integer(*step.metrics->acted);
  if (fields & kParent) writer.text(*step.parent_node_id);
  if (fields & kRegion) writer.text(*step.region_kind);
  if (fields & kIteration) writer.integer(*step.iteration);
}

void read_step(Reader& reader, UnixMs run_start, Step& step) {
  const std::uint64_t fields = reader.number();
  const std::uint64_t status = reader.number();
  if (status < 3) step.status = StepStatus(status);
  step.node_id = reader.optional_text();
  step.node_type = reader.optional_text();
  if (fields & kLabel) step.node_label = reader.text();
  if (fields & kTimes) {
    step.started_at = run_start + reader.integer();
    step.completed_at = *step.started_at + reader.integer();
    step.duration_ms = reader.integer();
  }
  if (fields & kError) {
    StepError& error = step.error.emplace();
    error.code = reader.optional_text();
    error.message = reader.optional_text();
    error.stack = reader.optional_text();
  }
  if (fields & kMetrics) step.metrics.emplace();
  if (fields & kSelected) step.metrics->selected = reader.integer();
  if (fields & kActed) step.metrics->acted = reader.integer();
  if (fields & kUnmeasured) step.metrics->unmeasured_effect = (fields & kUnmeasuredTrue) != 0;
  if (fields & kParent) step.parent_node_id = reader.text();
  if (fields & kRegion) step.region_kind = reader.text();
  if (fields & kIteration) step.iteration = reader.integer();
}

void write_summary(const RunSummary& summary, Writer& writer) {
  writer.integer(summary.skipped);
  writer.optional(summary.failed);
  writer.number(summary.nodes.size());
  for (const NodeSummary& node : summary.nodes) {
    writer.text(node.node_id);
    writer.text(node.node_type);
    writer.optional(node.node_label);
    writer.number(std::uint64_t(node.status));
    for (const std::int64_t value : {node.runs, node.failures, node.skipped}) writer.integer(value);
    for (const auto& value : {node.selected, node.acted, node.unmeasured}) writer.optional(value);
  }
}

void read_summary(Reader& reader, RunSummary& summary) {
  summary.skipped = reader.integer();
  summary.failed = reader.optional_integer();
  const std::uint64_t nodes = reader.number();
  for (std::uint64_t i = 0; i < nodes; ++i) {
    NodeSummary& node = summary.nodes.emplace_back();
    node.node_id = reader.text();
    node.node_type = reader.text();
    node.node_label = reader.optional_text();
    node.status = StepStatus(reader.number());
    for (std::int64_t* value : {&node.runs, &node.failures, &node.skipped})
      *value = reader.integer();
    for (auto* value : {&node.selected, &node.acted, &node.unmeasured})
      *value = reader.optional_integer();
  }
}

void read_head(Reader& reader, RunHead& out) {
  out.run_id = reader.run_id();
  out.flow_name = reader.text();
  out.flow_version = reader.optional_integer();
  out.status = RunStatus(reader.number());
  out.started_at = reader.integer();
  out.finished_at = reader.optional_integer();
  if (out.finished_at) *out.finished_at += out.started_at;
  out.duration_ms = reader.optional_integer();
  out.error_code = out.error_message = out.error_node_id = std::nullopt;
  if (reader.number() != 0) {
    out.error_code = reader.optional_text();
    out.error_message = reader.optional_text();
    out.error_node_id = reader.optional_text();
  }
  for (OptionalText* value : {&out.node_id, &out.organization_id, &out.user_id, &out.trigger_type,
                              &out.trigger_object, &out.trigger_record_id})
    *value = reader.optional_text();
  for (std::int64_t* value : {&out.selected, &out.acted, &out.unmeasured})
    *value = reader.integer();
}

void take_head(const RunHead& head, Run& out) {
  out.run_id = head.run_id;
  out.flow_name = head.flow_name;
  out.flow_version = head.flow_version;
  out.status = head.status;
  out.started_at = head.started_at;
  out.finished_at = head.finished_at;
  out.duration_ms = head.duration_ms;
  if (head.error_message) {
    out.error = RunError{.code = head.error_code,
                         .message = head.error_message,
                         .node_id = head.error_node_id,
                         .extra_json = {}};
  }
  out.node_id = head.node_id;
  out.organization_id = head.organization_id;
  out.user_id = head.user_id;
  out.trigger_type = head.trigger_type;
  out.trigger_object = head.trigger_object;
  out.trigger_record_id = head.trigger_record_id;
}

}  // namespace

void pack_run_id(std::string_view run_id, std::string& out) {
  std::array<char, kUuidBytes> uuid;
  if (parse_uuid(run_id, uuid)) {
    out.push_back(kUuidId);
    out.append(uuid.data(), uuid.size());
  } else {
    out.push_back(kTextId);
    out.append(run_id);
  }
}

void encode_compact(const Run& run, std::string& out) {
  Writer writer(out);
  write_head(run, writer);
  writer.text(run.trigger_record_json);
  writer.number(run.steps ? run.steps->size() + 1 : 0);
  if (run.steps) {
    for (const Step& step : *run.steps) write_step(step, run.started_at, writer);
  }
  writer.number(run.summary ? 1 : 0);
  if (run.summary) write_summary(*run.summary, writer);
}

void decode_compact_head(std::string_view bytes, TextBuffer& text, RunHead& out) {
  Reader reader(bytes, text);
  read_head(reader, out);
}

void decode_compact(std::string_view bytes, TextBuffer& text, Run& out) {
  Reader reader(bytes, text);
  RunHead head;
  read_head(reader, head);
  out = {};
  take_head(head, out);
  out.trigger_record_json = reader.text();
  if (const std::uint64_t steps = reader.number(); steps != 0) {
    out.steps.emplace(steps - 1);
    for (Step& step : *out.steps) read_step(reader, out.started_at, step);
  }
  if (reader.number() == 0) return;
  RunSummary& summary = out.summary.emplace();
  summary.selected = head.selected;
  summary.acted = head.acted;
  summary.unmeasured = head.unmeasured;
  read_summary(reader, summary);
}

}  // namespace runlog::bench
