// A log with a retention policy, under a clock that the test moves.
#pragma once

#include <catch2/catch.hpp>

#include <atomic>
#include <chrono>
#include <string>
#include <vector>

#include "query/query.h"
#include "tests/log_fixture.h"

namespace runlog {

inline constexpr UnixMs kStart = 1'792'454'400'000;
inline constexpr UnixMs kHour = 3'600'000;
inline constexpr UnixMs kDay = 24 * kHour;

// A log under a clock that the test moves.
class RetentionFixture {
 public:
  RetentionFixture() {
    options_.segment_runs = 20;
    options_.merge_fanout = 4;
    options_.sweep_interval = std::chrono::milliseconds(0);
    options_.now = [this] { return now_.load(); };
    reopen();
  }

  void reopen() {
    log_.reset();
    log_ = open_log(files_.path(), options_);
  }
  // Steps that are no jumps.
  void pass(UnixMs time) {
    for (; time > kDay; time -= kDay) {
      now_ += kDay;
      must(log_->sweep());
    }
    now_ += time;
  }
  void append(const std::string& id, const std::string& flow = "flow", bool failed = false) {
    SampleRun run(id, flow);
    run.started(now_ - 120);
    if (failed) run.failed("it broke");
    must(log_->append(run.run()));
  }
  void append_some(int from, int to, const std::string& flow = "flow") {
    for (int i = from; i < to; ++i) append(flow + std::to_string(i), flow);
  }
  std::vector<std::string> visible(Log& log) {
    ListRequest request;
    request.limit = 1000;
    request.direction = Direction::kOldestFirst;
    request.with_total = true;
    for (unsigned status = 0; status < kRunStatusCount; ++status)
      request.filter.statuses.push_back(RunStatus(status));  // no paused runs
    auto snapshot = log.snapshot();
    must(snapshot);
    auto page = list(*snapshot, request);
    must(page);
    std::vector<std::string> ids;
    for (const RunHead& head : page->runs) ids.emplace_back(head.run_id);
    CHECK(page->total == ids.size());
    CHECK((*snapshot)->live() == ids.size());
    const auto all = statistics(log, std::nullopt);
    must(all);
    std::uint64_t counted = 0;
    for (const std::uint64_t runs : all->front().runs) counted += runs;
    CHECK(counted == ids.size());
    return ids;
  }
  std::vector<std::string> visible() {
    auto ids = visible(*log_);
    auto reader = Log::open_read_only(files_.path());
    must(reader);
    CHECK(visible(**reader) == ids);
    return ids;
  }
  void set(const RetentionPolicy& policy) { must(log_->set_retention(policy)); }
  std::size_t segments() { return log_->describe().segments.size(); }

 protected:
  TempDir files_;
  std::atomic<UnixMs> now_{kStart};
  LogOptions options_;
  std::shared_ptr<Log> log_;
};

inline std::vector<std::string> names(int from, int to, const std::string& flow = "flow") {
  std::vector<std::string> out;
  for (int i = from; i < to; ++i) out.push_back(flow + std::to_string(i));
  return out;
}

inline RetentionPolicy cap(std::int64_t runs) {
  RetentionPolicy policy;
  policy.all.max_per_flow = runs;
  return policy;
}

inline RetentionPolicy age(std::int64_t ms) {
  RetentionPolicy policy;
  policy.all.max_age_ms = ms;
  return policy;
}

}  // namespace runlog
