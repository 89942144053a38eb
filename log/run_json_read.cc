#include <tuple>

#include "log/json_mend.h"
#include "log/record_head.h"
#include "log/run_json_parts.h"

namespace runlog {
namespace {

// ---- the run --------------------------------------------------------------------------------

// How a value looks in a message: its text, shortened.
std::string shown(JsonValue value) {
  std::string text = simdjson::minify(value);
  if (text.size() > 40) {
    std::size_t end = 40;
    while (end > 0 && (std::uint8_t(text[end]) & 0xc0) == 0x80) --end;
    text.resize(end);
    text += "…";
  }
  if (text.size() >= 2 && text.front() == '"' && text.back() == '"') {
    text.front() = text.back() = '\'';
  }
  return text;
}

template <auto Member>
bool read_required_text(JsonReading& reading, std::string_view name, JsonValue value, Run& out) {
  if (read_text(reading, value, out.*Member) && !(out.*Member).empty()) return true;
  reading.refuse("field '" + std::string(name) + "' is " + shown(value) +
                 ", which is not a text of at least one character");
  return true;
}

bool read_run_id(JsonReading& reading, JsonValue value, Run& out) {
  return read_required_text<&Run::run_id>(reading, "runId", value, out);
}

bool read_flow_name(JsonReading& reading, JsonValue value, Run& out) {
  return read_required_text<&Run::flow_name>(reading, "flowName", value, out);
}

bool read_status(JsonReading& reading, JsonValue value, Run& out) {
  constexpr std::string_view kNames[] = {"completed", "failed", "cancelled", "timed_out"};
  std::string_view name;
  if (value.get_string().get(name) == simdjson::SUCCESS) {
    for (unsigned i = 0; i < kRunStatusCount; ++i) {
      if (kNames[i] == name) {
        out.status = RunStatus(i);
        return true;
      }
    }
  }
  reading.refuse("field 'status' is " + shown(value) +
                 ", which is not terminal (completed, failed, cancelled, timed_out)");
  return true;
}

// A run's own times may also be milliseconds since 1970; digits below a millisecond are dropped.
Expected<UnixMs> run_time(JsonValue value) {
  std::int64_t number = 0;
  if (value.is_int64() && value.get_int64().get(number) == simdjson::SUCCESS) return number;
  std::string_view text;
  if (value.get_string().get(text) == simdjson::SUCCESS) return parse_time(text);
  return fail(ErrorCode::InvalidArgument,
              shown(value) + " is neither a time in ISO 8601 nor milliseconds since 1970");
}

bool read_started_at(JsonReading& reading, JsonValue value, Run& out) {
  const Expected<UnixMs> time = run_time(value);
  if (!time) {
    reading.refuse("field 'startedAt': " + time.error().message);
  } else if (*time < kMinStoredTime || *time > kMaxStoredTime) {
    reading.refuse("field 'startedAt' is " + shown(value) + ", further from 1970 than 4,459 years");
  } else {
    out.started_at = *time;
  }
  return true;
}

bool read_finished_at(JsonReading&, JsonValue value, Run& out) {
  const Expected<UnixMs> time = run_time(value);
  if (time) out.finished_at = *time;
  return time.has_value();
}

constexpr JsonField<RunError> kRunErrorFields[] = {
    {"code", field<&RunError::code>},
    {"message", field<&RunError::message>},
    {"nodeId", field<&RunError::node_id>},
};

bool read_error(JsonReading& reading, JsonValue value, Run& out) {
  RunError error;
  if (value.is_string()) {
    Text message;
    read_text(reading, value, message);
    error.message = message;
  } else if (!read_object(reading, value, kRunErrorFields, error)) {
    return false;
  }
  out.error = error;
  return true;
}

bool read_steps(JsonReading& reading, JsonValue value, Run& out) {
  return read_json_steps(reading, value, out.steps);
}

bool read_summary(JsonReading& reading, JsonValue value, Run& out) {
  return read_json_summary(reading, value, out.summary);
}

bool read_omitted_steps(JsonReading& reading, JsonValue value, Run& out) {
  std::int64_t count = 0;
  // Zero is not written out, so that it has to be kept beside.
  if (!read_value(reading, value, count) || count <= 0) return false;
  out.omitted_steps = count;
  return true;
}

bool read_labels(JsonReading& reading, JsonValue value, Run& out) {
  JsonObject object;
  if (value.get_object().get(object) != simdjson::SUCCESS) return false;
  std::vector<std::pair<Text, Text>> labels;
  for (const auto& [key, element] : last_members(object)) {
    Text text;
    if (key.find('=') != Text::npos || !read_text(reading, element, text)) return false;
    labels.emplace_back(reading.arena.keep(key), text);
  }
  // An object without members would not come back.
  if (labels.empty() || labels.size() > kMaxLabels) return false;
  out.labels = std::move(labels);
  return true;
}

bool read_consumed_suspension(JsonReading& reading, JsonValue value, Run& out);

// The first four are required.
constexpr JsonField<Run> kRunFields[] = {
    {"runId", read_run_id},
    {"flowName", read_flow_name},
    {"status", read_status},
    {"startedAt", read_started_at},
    {"flowVersion", field<&Run::flow_version>},
    {"startTime", field<&Run::start_time>},
    {"finishedAt", read_finished_at},
    {"durationMs", field<&Run::duration_ms>},
    {"error", read_error},
    {"userId", field<&Run::user_id>},
    {"organizationId", field<&Run::organization_id>},
    {"triggerRecord", raw_field<&Run::trigger_record_json>},
    {"triggerType", field<&Run::trigger_type>},
    {"triggerObject", field<&Run::trigger_object>},
    {"triggerRecordId", field<&Run::trigger_record_id>},
    {"nodeId", field<&Run::node_id>},
    {"steps", read_steps},
    {"summary", read_summary},
    {"consumedSuspension", read_consumed_suspension},
    {"omittedSteps", read_omitted_steps},
    {"labels", read_labels},
};
constexpr std::size_t kRequiredOfRun = 4;

// ---- the paused run -------------------------------------------------------------------------

bool read_suspended_steps(JsonReading& reading, JsonValue value, SuspendedRun& out) {
  return read_json_steps(reading, value, out.steps);
}

// The first two are required.
constexpr JsonField<SuspendedRun> kSuspendedFields[] = {
    {"runId", field<&SuspendedRun::run_id>},
    {"flowName", field<&SuspendedRun::flow_name>},
    {"flowVersion", field<&SuspendedRun::flow_version>},
    {"nodeId", field<&SuspendedRun::node_id>},
    {"nodeType", field<&SuspendedRun::node_type>},
    {"variables", raw_field<&SuspendedRun::variables_json>},
    {"steps", read_suspended_steps},
    {"context", raw_field<&SuspendedRun::context_json>},
    {"startedAt", time_field<&SuspendedRun::started_at>},
    {"startTime", field<&SuspendedRun::start_time>},
    {"correlation", field<&SuspendedRun::correlation>},
    {"screen", raw_field<&SuspendedRun::screen_json>},
};

bool read_consumed_suspension(JsonReading& reading, JsonValue value, Run& out) {
  const auto suspended = std::make_shared<SuspendedRun>();
  std::uint64_t seen = 0;
  if (!read_object(reading, value, kSuspendedFields, *suspended, &seen)) return false;
  if ((seen & 3) != 3) return false;
  out.consumed_suspension = suspended;
  return true;
}

}  // namespace

// ---- the parser -----------------------------------------------------------------------------

struct RunJsonParser::Impl {
  simdjson::dom::parser parser;
  simdjson::dom::element root;

  // Parses `json`, which must be one object.
  Expected<void> parse(std::string_view json) {
    if (json.size() > kMaxRunJsonBytes) {
      return fail(ErrorCode::TooLarge, "the run has " + std::to_string(json.size()) +
                                           " bytes of JSON; the limit is " +
                                           std::to_string(kMaxRunJsonBytes));
    }
    auto error = parser.parse(json.data(), json.size()).get(root);
    if (error == simdjson::STRING_ERROR || error == simdjson::NUMBER_ERROR) {
      const MendedJson mended = mend_json(json);
      error = parser.parse(mended.text).get(root);
      if (error == simdjson::NUMBER_ERROR && mended.refusal) return tl::unexpected(*mended.refusal);
    }
    if (error == simdjson::DEPTH_ERROR) {
      return fail(ErrorCode::TooLarge, "the JSON nests deeper than the limit, " +
                                           std::to_string(kMaxJsonDepth) + " levels");
    }
    if (error != simdjson::SUCCESS) {
      return fail(ErrorCode::InvalidArgument,
                  std::string("the text is not JSON: ") + simdjson::error_message(error));
    }
    if (!root.is_object()) {
      return fail(ErrorCode::InvalidArgument, "the JSON is not an object, which a run is");
    }
    return {};
  }
};

RunJsonParser::RunJsonParser() : impl_(std::make_unique<Impl>()) {
  // Sets the depth limit. If there is no memory for the rest, parse() tries again and says so.
  std::ignore = impl_->parser.allocate(16u << 10, kMaxJsonDepth);
}
RunJsonParser::~RunJsonParser() = default;

namespace {

template <std::size_t N>
Expected<void> check_present(std::uint64_t seen, const std::string_view (&required)[N]) {
  for (std::size_t i = 0; i < N; ++i) {
    if (!(seen >> i & 1)) {
      return fail(ErrorCode::InvalidArgument,
                  "field '" + std::string(required[i]) + "' is missing");
    }
  }
  return {};
}

}  // namespace

Expected<void> RunJsonParser::parse(std::string_view json, TextArena& arena, Run& out) {
  if (Expected<void> parsed = impl_->parse(json); !parsed) return parsed;
  JsonReading reading{arena, std::nullopt};
  std::uint64_t seen = 0;
  out = Run();
  read_object(reading, impl_->root, kRunFields, out, &seen);
  if (reading.error) return tl::unexpected<Error>(std::move(*reading.error));
  constexpr std::string_view kRequired[kRequiredOfRun] = {"runId", "flowName", "status",
                                                          "startedAt"};
  if (Expected<void> present = check_present(seen, kRequired); !present) return present;
  derive_error(out);
  return {};
}

Expected<void> RunJsonParser::parse_suspended(std::string_view json, TextArena& arena,
                                              SuspendedRun& out) {
  if (Expected<void> parsed = impl_->parse(json); !parsed) return parsed;
  JsonReading reading{arena, std::nullopt};
  std::uint64_t seen = 0;
  out = SuspendedRun();
  read_object(reading, impl_->root, kSuspendedFields, out, &seen);
  constexpr std::string_view kRequired[] = {"runId", "flowName"};
  if (Expected<void> present = check_present(seen, kRequired); !present) return present;
  if (out.run_id.empty() || out.flow_name.empty()) {
    return fail(ErrorCode::InvalidArgument,
                std::string("field '") + (out.run_id.empty() ? "runId" : "flowName") +
                    "' is not a text of at least one character");
  }
  return {};
}

}  // namespace runlog
