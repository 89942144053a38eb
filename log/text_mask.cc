#include "log/text_mask.h"

namespace runlog {
namespace {

// The place behind the string that opens at `at`.
std::size_t string_end(std::string_view json, std::size_t at) {
  for (++at; at < json.size() && json[at] != '"'; ++at) {
    if (json[at] == '\\') ++at;
  }
  return std::min(at + 1, json.size());
}

bool is_key(std::string_view json, std::size_t end) {
  const std::size_t next = json.find_first_not_of(" \t\r\n", end);
  return next != std::string_view::npos && json[next] == ':';
}

bool is_digit(char c) { return c >= '0' && c <= '9'; }

}  // namespace

void TextMask::fill(std::string& text, std::size_t from, std::size_t to) {
  for (std::size_t i = from; i < to; ++i) text[i] = char('a' + random_() % 26);
}

Text TextMask::text(Text text) {
  std::string masked(text);
  fill(masked, 0, masked.size());
  return arena_.keep(masked);
}

Text TextMask::json(Text json) {
  std::string masked(json);
  for (std::size_t at = 0; at < masked.size(); ++at) {
    if (masked[at] == '"') {
      const std::size_t end = string_end(masked, at);
      if (!is_key(masked, end) && end > at + 2) fill(masked, at + 1, end - 1);
      at = end - 1;
    } else if (is_digit(masked[at])) {
      masked[at] = char('0' + random_() % 10);
    }
  }
  return arena_.keep(masked);
}

void TextMask::mask(Step& step, Text run_message, Text masked_run_message) {
  step.extra_json = json(step.extra_json);
  if (step.metrics) step.metrics->extra_json = json(step.metrics->extra_json);
  if (step.warnings) {
    for (Text& warning : *step.warnings) warning = text(warning);
  }
  if (!step.error) return;
  StepError& error = *step.error;
  error.extra_json = json(error.extra_json);
  if (error.stack) error.stack = text(*error.stack);
  if (!error.message) return;
  // The message that the run's own repeats is stored as a length; it has to stay so.
  error.message = run_message.ends_with(*error.message)
                      ? masked_run_message.substr(run_message.size() - error.message->size())
                      : text(*error.message);
}

void TextMask::mask(SuspendedRun& run) {
  run.variables_json = json(run.variables_json);
  run.context_json = json(run.context_json);
  run.screen_json = json(run.screen_json);
  run.extra_json = json(run.extra_json);
  if (run.correlation) run.correlation = text(*run.correlation);
  if (!run.steps) return;
  for (Step& step : *run.steps) mask(step, {}, {});
}

void TextMask::mask(Run& run) {
  Text message, masked_message;
  if (run.error) {
    run.error->extra_json = json(run.error->extra_json);
    if (run.error->message) {
      message = *run.error->message;
      run.error->message = masked_message = text(message);
    }
  }
  run.trigger_record_json = json(run.trigger_record_json);
  run.extra_json = json(run.extra_json);
  if (run.summary) run.summary->extra_json = json(run.summary->extra_json);
  if (run.steps) {
    for (Step& step : *run.steps) mask(step, message, masked_message);
  }
  if (!run.consumed_suspension) return;
  const auto suspended = std::make_shared<SuspendedRun>(*run.consumed_suspension);
  mask(*suspended);
  run.consumed_suspension = suspended;
}

}  // namespace runlog
