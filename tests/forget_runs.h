// Runs that carry a word wherever a run can carry one, and requests to forget them.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include <fmt/format.h>

#include "log/forget.h"

namespace runlog {

// A word to be found again. Packing puts a byte between every eight or so of a text, so the word is
// a short one that is written over and over: any six letters in a row show it.
class Trace {
 public:
  explicit Trace(std::string_view six_letters) : word_(six_letters) {}
  std::string text() const {
    std::string text;
    for (int i = 0; i < 6; ++i) text += word_;
    return text;
  }
  bool is_in(std::string_view bytes) const {
    std::string turned = word_;
    for (std::size_t i = 0; i < word_.size(); ++i) {
      if (bytes.find(turned) != std::string_view::npos) return true;
      turned = turned.substr(1) + turned[0];
    }
    return false;
  }

 private:
  std::string word_;
};

inline ForgetRequest forget_by(ForgetRequest::By by, std::vector<std::string> values,
                               std::string object = {}) {
  ForgetRequest request;
  request.by = by;
  request.values = std::move(values);
  request.object = std::move(object);
  return request;
}
inline ForgetRequest forget_user(const std::string& user) {
  return forget_by(ForgetRequest::By::kUser, {user});
}
inline ForgetRequest forget_runs(std::vector<std::string> ids) {
  return forget_by(ForgetRequest::By::kRun, std::move(ids));
}

// A run as JSON, in which `word` stands everywhere; `number` makes runs different.
inline std::string run_with(const std::string& run_id, const std::string& word, int number = 0,
                            const std::string& flow = "flow") {
  return fmt::format(
      R"({{"runId":"{0}","flowName":"{3}","status":"failed","startedAt":"2026-10-20T00:00:00.000Z",)"
      R"("finishedAt":"2026-10-20T00:00:01.000Z","durationMs":1000,"userId":"user {1}",)"
      R"("organizationId":"org {1}","triggerType":"type {1}","triggerObject":"object {1}",)"
      R"("triggerRecordId":"record {1}","triggerRecord":{{"mail":"{1}","filler":"{4}"}},)"
      R"("labels":{{"who":"{1}"}},"error":{{"code":"code {1}","message":"it broke for {1} {2}",)"
      R"("nodeId":"node {1}"}},"unknown":"{1}","steps":[{{"nodeId":"node {1}","nodeType":"type {1}",)"
      R"("nodeLabel":"label {1}","status":"failure","startedAt":"2026-10-20T00:00:00.000Z",)"
      R"("error":{{"message":"step {1}"}}}}]}})",
      run_id, word, number, flow, std::string(400, '7'));
}

inline std::string suspended_with(const std::string& run_id, const std::string& word) {
  return fmt::format(
      R"({{"runId":"{0}","flowName":"flow","nodeId":"hold {1}","correlation":"{1}",)"
      R"("variables":{{"mail":"{1}"}},"context":{{"event":"manual","userId":"user {1}",)"
      R"("tenantId":"org {1}","object":"object {1}","record":{{"id":"record {1}"}}}}}})",
      run_id, word);
}

}  // namespace runlog
