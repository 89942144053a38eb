// POST /api/v1/runs.
#include <fmt/format.h>
#include <simdjson.h>

#include "log/json_writer.h"
#include "log/run_json.h"
#include "server/http/run_handlers.h"

namespace runlog {
namespace {

// A refused run costs as much memory as a taken one, however few bytes it has.
constexpr std::size_t kMostRuns = 200'000;

// One run of the request: its id and what it failed with, if it was refused.
struct Line {
  std::uint64_t number = 0;
  std::string run_id;
  std::optional<Error> refusal;
};

// Takes runs into one batch, and answers for each; of too many it keeps none.
class Append {
 public:
  explicit Append(Log& log) : log_(log), batch_(log.make_batch()) {}

  void take(std::uint64_t number, std::string_view json);
  HttpResponse finish();

 private:
  void write_line(const Line& line, const AppendResult* result, std::string& out) const;

  Log& log_;
  Batch batch_;
  RunJsonParser parser_;
  std::vector<Line> lines_;
  bool has_too_many_ = false;
};

void Append::take(std::uint64_t number, std::string_view json) {
  has_too_many_ = has_too_many_ || lines_.size() == kMostRuns;
  if (has_too_many_) return;
  Line& line = lines_.emplace_back();
  line.number = number;
  TextArena arena;
  Run run;
  auto taken = parser_.parse(json, arena, run);
  if (taken) {
    line.run_id = run.run_id;
    taken = batch_.add(run);
  }
  if (!taken) line.refusal = taken.error();
}

std::string_view outcome_name(AppendResult::Outcome outcome) {
  switch (outcome) {
    case AppendResult::Outcome::kAppended: return "appended";
    case AppendResult::Outcome::kDuplicate: return "duplicate";
    case AppendResult::Outcome::kSuperseded: return "superseded";
  }
  return "appended";
}

void Append::write_line(const Line& line, const AppendResult* result, std::string& out) const {
  JsonWriter json(out);
  ObjectWriter object(json, {});
  object.number("line", std::int64_t(line.number));
  if (!line.run_id.empty()) object.text("runId", std::string_view(line.run_id));
  if (result != nullptr) {
    object.text("outcome", outcome_name(result->outcome));
    if (result->sequence != 0) object.number("sequence", std::int64_t(result->sequence));
    return;
  }
  object.begin("error");
  ObjectWriter error(json, {});
  const bool is_too_large = line.refusal->code == ErrorCode::TooLarge;
  error.text("code", std::string_view(is_too_large ? "PAYLOAD_TOO_LARGE" : "VALIDATION_FAILED"));
  error.text("message", std::string_view(line.refusal->message));
}

HttpResponse Append::finish() {
  if (has_too_many_) {
    return error_response(
        413, "PAYLOAD_TOO_LARGE",
        fmt::format("more than {} runs in one request; nothing was stored", kMostRuns));
  }
  std::vector<AppendResult> results;
  if (batch_.size() > 0) {
    auto appended = log_.append(std::move(batch_));
    if (!appended) return response_of(appended.error());
    results = std::move(*appended);
  }
  HttpResponse response;
  response.content_type = "application/x-ndjson";
  std::size_t next = 0;
  for (const Line& line : lines_) {
    write_line(line, line.refusal ? nullptr : &results[next++], response.body);
    response.body += '\n';
  }
  return response;
}

void take_lines(std::string_view text, Append& append) {
  for (std::uint64_t number = 1; !text.empty(); ++number) {
    const std::size_t end = text.find('\n');
    const std::string_view line = text.substr(0, end);
    if (line.find_first_not_of(" \t\r") != std::string_view::npos) append.take(number, line);
    text.remove_prefix(end == std::string_view::npos ? text.size() : end + 1);
  }
}

// Elements are handed over as they stand there. False: the text is no array of objects.
bool take_array(std::string_view text, Append& append) {
  using namespace simdjson;
  const padded_string padded(text);
  ondemand::parser parser;
  ondemand::document document;
  ondemand::array array;
  if (parser.iterate(padded).get(document) != SUCCESS) return false;
  if (document.get_array().get(array) != SUCCESS) return false;
  std::uint64_t number = 0;
  for (auto element : array) {
    ondemand::object object;
    std::string_view json;
    if (element.get_object().get(object) != SUCCESS) return false;
    if (object.raw_json().get(json) != SUCCESS) return false;
    append.take(++number, json);
  }
  const char* rest = nullptr;  // behind the array there is nothing
  return document.current_location().get(rest) == OUT_OF_BOUNDS;
}

HttpResponse refuse_body(std::string_view message) {
  return problems_response({{"(body)", "invalid_json", std::string(message)}});
}

}  // namespace

HttpResponse append_runs(const HttpRequest& request, Log& log) {
  std::string_view text = request.body;
  if (text.starts_with("\xEF\xBB\xBF")) text.remove_prefix(3);
  const std::size_t first = text.find_first_not_of(" \t\r\n");
  if (first == std::string_view::npos) {
    return refuse_body("the body is empty; it holds runs, one JSON object a line or an array of them");
  }
  Append append(log);
  if (text[first] == '[') {
    if (!take_array(text.substr(first), append)) {
      return refuse_body("the body is not one JSON array of objects; nothing was stored");
    }
  } else {
    take_lines(text, append);
  }
  return append.finish();
}

}  // namespace runlog
