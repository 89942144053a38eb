#include "bench/run_text.h"

#include <rapidjson/stringbuffer.h>
#include <rapidjson/writer.h>
#include <simdjson.h>

#include <array>
#include <cstring>
#include <stdexcept>

namespace runlog::bench {
namespace {

using Writer = rapidjson::Writer<rapidjson::StringBuffer>;

constexpr std::array<std::string_view, 3> kStepStatusNames = {"success", "failure", "skipped"};
constexpr std::int64_t kDayMs = 86'400'000;

void put_digits(char* place, std::int64_t value, int digits) {
  for (int i = digits - 1; i >= 0; --i, value /= 10) place[i] = char('0' + value % 10);
}

// "2026-10-20T00:00:03.630Z"; days to a civil date as Howard Hinnant describes it.
std::array<char, 24> iso_time(UnixMs time) {
  const std::int64_t days = time / kDayMs, ms = time % kDayMs;
  const std::int64_t z = days + 719468, era = z / 146097, doe = z - era * 146097;
  const std::int64_t yoe = (doe - doe / 1460 + doe / 36524 - doe / 146096) / 365;
  const std::int64_t doy = doe - (365 * yoe + yoe / 4 - yoe / 100);
  const std::int64_t mp = (5 * doy + 2) / 153;
  const std::int64_t month = mp < 10 ? mp + 3 : mp - 9;
  std::array<char, 24> text;
  std::memcpy(text.data(), "0000-00-00T00:00:00.000Z", 24);
  put_digits(&text[0], yoe + era * 400 + (month <= 2), 4);
  put_digits(&text[5], month, 2);
  put_digits(&text[8], doy - (153 * mp + 2) / 5 + 1, 2);
  put_digits(&text[11], ms / 3'600'000, 2);
  put_digits(&text[14], ms / 60'000 % 60, 2);
  put_digits(&text[17], ms / 1000 % 60, 2);
  put_digits(&text[20], ms % 1000, 3);
  return text;
}

std::int64_t digits_at(std::string_view text, std::size_t from, std::size_t count) {
  std::int64_t value = 0;
  for (std::size_t i = from; i < from + count; ++i) value = value * 10 + (text[i] - '0');
  return value;
}

UnixMs time_of(std::string_view text) {
  if (text.size() != 24) throw std::runtime_error("a peer returned a time of another form");
  const std::int64_t month = digits_at(text, 5, 2);
  const std::int64_t y = digits_at(text, 0, 4) - (month <= 2), era = y / 400, yoe = y - era * 400;
  const std::int64_t doy =
      (153 * (month > 2 ? month - 3 : month + 9) + 2) / 5 + digits_at(text, 8, 2) - 1;
  const std::int64_t days = era * 146097 + yoe * 365 + yoe / 4 - yoe / 100 + doy - 719468;
  return days * kDayMs + digits_at(text, 11, 2) * 3'600'000 + digits_at(text, 14, 2) * 60'000 +
         digits_at(text, 17, 2) * 1000 + digits_at(text, 20, 3);
}

void put_text(Writer& writer, std::string_view key, std::string_view value) {
  writer.Key(key.data(), rapidjson::SizeType(key.size()));
  writer.String(value.data(), rapidjson::SizeType(value.size()));
}
void put_text(Writer& writer, std::string_view key, OptionalText value) {
  if (value) put_text(writer, key, *value);
}
void put_number(Writer& writer, std::string_view key, std::optional<std::int64_t> value) {
  if (!value) return;
  writer.Key(key.data(), rapidjson::SizeType(key.size()));
  writer.Int64(*value);
}
void put_time(Writer& writer, std::string_view key, std::optional<UnixMs> value) {
  if (!value) return;
  const auto text = iso_time(*value);
  put_text(writer, key, std::string_view(text.data(), text.size()));
}

void put_step(Writer& writer, const Step& step) {
  writer.StartObject();
  put_text(writer, "nodeId", step.node_id);
  put_text(writer, "nodeType", step.node_type);
  put_text(writer, "nodeLabel", step.node_label);
  if (step.status) put_text(writer, "status", kStepStatusNames[std::size_t(*step.status)]);
  put_time(writer, "startedAt", step.started_at);
  put_time(writer, "completedAt", step.completed_at);
  put_number(writer, "durationMs", step.duration_ms);
  if (step.error) {
    writer.Key("error");
    writer.StartObject();
    put_text(writer, "code", step.error->code);
    put_text(writer, "message", step.error->message);
    put_text(writer, "stack", step.error->stack);
    writer.EndObject();
  }
  if (step.metrics) {
    writer.Key("metrics");
    writer.StartObject();
    put_number(writer, "selected", step.metrics->selected);
    put_number(writer, "acted", step.metrics->acted);
    if (step.metrics->unmeasured_effect) {
      writer.Key("unmeasuredEffect");
      writer.Bool(*step.metrics->unmeasured_effect);
    }
    writer.EndObject();
  }
  put_text(writer, "parentNodeId", step.parent_node_id);
  put_text(writer, "regionKind", step.region_kind);
  put_number(writer, "iteration", step.iteration);
  writer.EndObject();
}

void put_node(Writer& writer, const NodeSummary& node) {
  writer.StartObject();
  put_text(writer, "nodeId", node.node_id);
  put_text(writer, "nodeType", node.node_type);
  put_text(writer, "nodeLabel", node.node_label);
  put_text(writer, "status", kStepStatusNames[std::size_t(node.status)]);
  put_number(writer, "runs", node.runs);
  put_number(writer, "failures", node.failures);
  put_number(writer, "skipped", node.skipped);
  put_number(writer, "selected", node.selected);
  put_number(writer, "acted", node.acted);
  put_number(writer, "unmeasured", node.unmeasured);
  writer.EndObject();
}

using Object = simdjson::ondemand::object;
using Value = simdjson::ondemand::value;

Text text_of(Value value, TextBuffer& text) {
  return text.keep(std::string_view(value.get_string()));
}
UnixMs time_of(Value value) { return time_of(std::string_view(value.get_string())); }

StepStatus status_of(Value value) {
  const std::string_view name = value.get_string();
  for (std::size_t i = 0; i < kStepStatusNames.size(); ++i)
    if (name == kStepStatusNames[i]) return StepStatus(i);
  throw std::runtime_error("a peer returned an unknown step status");
}

void read_error(Object object, TextBuffer& text, StepError& out) {
  for (auto field : object) {
    const std::string_view key = field.unescaped_key();
    if (key == "code") out.code = text_of(field.value(), text);
    if (key == "message") out.message = text_of(field.value(), text);
    if (key == "stack") out.stack = text_of(field.value(), text);
  }
}

void read_metrics(Object object, StepMetrics& out) {
  for (auto field : object) {
    const std::string_view key = field.unescaped_key();
    if (key == "selected") out.selected = std::int64_t(field.value());
    if (key == "acted") out.acted = std::int64_t(field.value());
    if (key == "unmeasuredEffect") out.unmeasured_effect = bool(field.value());
  }
}

void read_step(Object object, TextBuffer& text, Step& out) {
  for (auto field : object) {
    const std::string_view key = field.unescaped_key();
    Value value = field.value();
    if (key == "nodeId") out.node_id = text_of(value, text);
    else if (key == "nodeType") out.node_type = text_of(value, text);
    else if (key == "nodeLabel") out.node_label = text_of(value, text);
    else if (key == "status") out.status = status_of(value);
    else if (key == "startedAt") out.started_at = time_of(value);
    else if (key == "completedAt") out.completed_at = time_of(value);
    else if (key == "durationMs") out.duration_ms = std::int64_t(value);
    else if (key == "error") read_error(value, text, out.error.emplace());
    else if (key == "metrics") read_metrics(value, out.metrics.emplace());
    else if (key == "parentNodeId") out.parent_node_id = text_of(value, text);
    else if (key == "regionKind") out.region_kind = text_of(value, text);
    else if (key == "iteration") out.iteration = std::int64_t(value);
  }
}

void read_node(Object object, TextBuffer& text, NodeSummary& out) {
  for (auto field : object) {
    const std::string_view key = field.unescaped_key();
    Value value = field.value();
    if (key == "nodeId") out.node_id = text_of(value, text);
    else if (key == "nodeType") out.node_type = text_of(value, text);
    else if (key == "nodeLabel") out.node_label = text_of(value, text);
    else if (key == "status") out.status = status_of(value);
    else if (key == "runs") out.runs = std::int64_t(value);
    else if (key == "failures") out.failures = std::int64_t(value);
    else if (key == "skipped") out.skipped = std::int64_t(value);
    else if (key == "selected") out.selected = std::int64_t(value);
    else if (key == "acted") out.acted = std::int64_t(value);
    else if (key == "unmeasured") out.unmeasured = std::int64_t(value);
  }
}

}  // namespace

struct RunTextWriter::Impl {
  rapidjson::StringBuffer steps, summary;
  Writer writer;
};

RunTextWriter::RunTextWriter() : impl_(std::make_unique<Impl>()) {}
RunTextWriter::~RunTextWriter() = default;

std::string_view RunTextWriter::steps(const std::vector<Step>& steps) {
  Writer& writer = impl_->writer;
  impl_->steps.Clear();
  writer.Reset(impl_->steps);
  writer.StartArray();
  for (const Step& step : steps) put_step(writer, step);
  writer.EndArray();
  return {impl_->steps.GetString(), impl_->steps.GetSize()};
}

std::string_view RunTextWriter::summary(const RunSummary& summary) {
  Writer& writer = impl_->writer;
  impl_->summary.Clear();
  writer.Reset(impl_->summary);
  writer.StartObject();
  put_number(writer, "selected", summary.selected);
  put_number(writer, "acted", summary.acted);
  put_number(writer, "skipped", summary.skipped);
  put_number(writer, "unmeasured", summary.unmeasured);
  put_number(writer, "failed", summary.failed);
  writer.Key("nodes");
  writer.StartArray();
  for (const NodeSummary& node : summary.nodes) put_node(writer, node);
  writer.EndArray();
  writer.Key("gates");
  writer.StartArray();
  writer.EndArray();
  writer.EndObject();
  return {impl_->summary.GetString(), impl_->summary.GetSize()};
}

struct RunTextReader::Impl {
  simdjson::ondemand::parser parser;
  std::string padded;

  simdjson::ondemand::document parse(std::string_view json) {
    padded.resize(json.size() + simdjson::SIMDJSON_PADDING);
    std::memcpy(padded.data(), json.data(), json.size());
    return parser.iterate(padded.data(), json.size(), padded.size());
  }
};

RunTextReader::RunTextReader() : impl_(std::make_unique<Impl>()) {}
RunTextReader::~RunTextReader() = default;

void RunTextReader::read_steps(std::string_view json, TextBuffer& text, std::vector<Step>& out) {
  out.clear();
  auto document = impl_->parse(json);
  for (Object step : document.get_array()) read_step(step, text, out.emplace_back());
}

void RunTextReader::read_summary(std::string_view json, TextBuffer& text, RunSummary& out) {
  out = {};
  auto document = impl_->parse(json);
  for (auto field : document.get_object()) {
    const std::string_view key = field.unescaped_key();
    if (key == "selected") out.selected = std::int64_t(field.value());
    else if (key == "acted") out.acted = std::int64_t(field.value());
    else if (key == "skipped") out.skipped = std::int64_t(field.value());
    else if (key == "unmeasured") out.unmeasured = std::int64_t(field.value());
    else if (key == "failed") out.failed = std::int64_t(field.value());
    else if (key == "nodes")
      for (Object node : field.value().get_array()) read_node(node, text, out.nodes.emplace_back());
  }
}

}  // namespace runlog::bench
