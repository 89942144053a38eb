// Arbitrary bytes as a client sends them: whatever comes out of the parser is routed and answered,
// from a log with a few runs. The parser must find the same requests in whatever pieces they come.
#include <cstdlib>
#include <filesystem>

#include "server/http/http_encoding.h"
#include "server/http/run_handlers.h"

namespace {

using namespace runlog;

void expect(bool condition) {
  if (!condition) std::abort();
}

// A log in a folder that goes with the process.
class SmallLog {
 public:
  SmallLog() {
    std::string pattern = (std::filesystem::temp_directory_path() / "runlog-fuzz-XXXXXX").string();
    folder_ = ::mkdtemp(pattern.data());
    LogOptions options;
    options.durability = LogOptions::Durability::kInterval;
    auto log = Log::open(folder_ / "log", options);
    expect(log.has_value());
    log_ = *log;
    for (const char* id : {"a", "b", "c"}) {
      Run run;
      run.run_id = id;
      run.flow_name = "f";
      expect(log_->append(run).has_value());
    }
  }
  ~SmallLog() {
    log_.reset();
    std::error_code ignored;
    std::filesystem::remove_all(folder_, ignored);
  }
  Log& log() { return *log_; }

 private:
  std::filesystem::path folder_;
  std::shared_ptr<Log> log_;
};

std::vector<HttpRequest> requests_in(std::string_view bytes, std::size_t piece, int& refusal) {
  std::vector<HttpRequest> requests;
  HttpParser parser;
  while (!bytes.empty()) {
    const std::string_view part = bytes.substr(0, piece);
    const std::size_t taken = parser.take(std::span(part.data(), part.size()));
    bytes.remove_prefix(taken);
    if (parser.state() == HttpParser::State::kDone) requests.push_back(parser.release());
    if (parser.state() != HttpParser::State::kRefused) continue;
    refusal = parser.refusal().status;
    expect(refusal >= 400 && !parser.refusal().message.empty());
    break;
  }
  return requests;
}

void answer_one(const HttpRequest& request, Log& log) {
  const auto route = find_route(request);
  HttpResponse response = std::holds_alternative<HttpRoute>(route)
                              ? answer(std::get<HttpRoute>(route), request, log)
                              : std::get<HttpResponse>(route);
  expect(reason_phrase(response.status) != "Unknown");
  if (const auto accepted = request.header("accept-encoding")) compress(response, *accepted);
  std::string bytes;
  write_response(response, request.keep_alive, request.method == HttpMethod::kHead, bytes);
  expect(bytes.starts_with("HTTP/1.1 "));
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* input, std::size_t size) {
  static SmallLog log;
  if (size == 0) return 0;
  const std::size_t piece = std::size_t(input[0]) + 1;
  const std::string_view bytes(reinterpret_cast<const char*>(input) + 1, size - 1);
  int refusal = 0, refusal_in_pieces = 0;
  const auto whole = requests_in(bytes, bytes.size() + 1, refusal);
  const auto in_pieces = requests_in(bytes, piece, refusal_in_pieces);
  expect(refusal == refusal_in_pieces && whole.size() == in_pieces.size());
  for (std::size_t i = 0; i < whole.size(); ++i) {
    expect(whole[i].path == in_pieces[i].path && whole[i].query == in_pieces[i].query);
    expect(whole[i].body == in_pieces[i].body && whole[i].keep_alive == in_pieces[i].keep_alive);
    answer_one(whole[i], log.log());
  }
  return 0;
}
