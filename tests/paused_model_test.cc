// Long random lives of a log whose runs pause, are claimed, end and are tried again, compared at every
// step with a model in plain containers. RUNLOG_TEST_SEED and RUNLOG_TEST_ROUNDS as in model_test.cc.
#include <algorithm>
#include <map>
#include <random>

#include "query/query.h"
#include "tests/follower.h"
#include "tests/lives.h"
#include "tests/paused_fixture.h"

namespace runlog {
namespace {

constexpr unsigned kLives = 6;
constexpr unsigned kSteps = 150;
constexpr unsigned kIds = 25;

struct Paused {
  std::string id, flow, node, correlation, payload, owner;  // owner: empty unless claimed
  std::uint64_t saved = 0;  // the count of saves: their order
};
struct Record {
  std::string id, flow;
  RunStatus status{};
  SequenceNumber sequence = 0;
  std::int64_t content = 0;
};
struct State {
  std::vector<Paused> paused;    // the oldest save first
  std::vector<Record> records;   // visible ones, the oldest first
};

class Life {
 public:
  explicit Life(std::uint64_t seed)
      : random_(seed), directory_(files_ / "log"), follower_(directory_) {
    options_.segment_runs = std::uint32_t(5 + below(30));
    options_.merge_fanout = 3;
    options_.train_dictionary = false;
    log_ = open_log(directory_, options_);
  }

  void live() {
    for (unsigned i = 0; i < kSteps; ++i) {
      change();
      const auto now = log_->snapshot();
      must(now);
      ask(*now, state_);
      if (below(5) == 0) held_.push_back({*now, state_});
      if (!held_.empty()) {
        const auto& [snapshot, state] = held_[below(held_.size())];
        ask(snapshot, state);
      }
      if (below(6) == 0) check_follower();
    }
    follower_.stop();
  }

 private:
  std::uint64_t below(std::uint64_t end) { return random_() % end; }
  std::string some_id() { return "run_" + std::to_string(below(kIds)); }
  static std::string flow_of(const std::string& id) {
    return "flow_" + std::to_string(id.size() + std::size_t(id.back()) % 3);
  }

  // ---- what happens ----------------------------------------------------------------------------

  void change() {
    switch (below(10)) {
      case 0: case 1: case 2: return save_one();
      case 3: case 4: return claim();
      case 5: return erase();
      case 6: return end(true);
      case 7: return end(false);
      case 8:
        if (below(3) == 0) must(log_->seal_now());
        return;
      case 9:
        if (below(3) != 0) return;
        must(log_->close());
        log_.reset();
        log_ = open_log(directory_, options_);
        return;
    }
  }

  std::vector<Paused>::iterator find(const std::string& id) {
    return std::find_if(state_.paused.begin(), state_.paused.end(),
                        [&](const Paused& one) { return one.id == id; });
  }

  void save_one() {
    Suspended run{some_id()};
    run.flow = flow_of(run.run_id);
    run.node = "node_" + std::to_string(below(2));
    run.correlation = "c_" + std::to_string(below(3));
    run.payload = std::string(below(40) == 0 ? 6000 : below(400), char('a' + below(26)));
    must(log_->paused().save(run.run()));
    if (const auto before = find(run.run_id); before != state_.paused.end())
      state_.paused.erase(before);
    state_.paused.push_back(
        {run.run_id, run.flow, run.node, run.correlation, run.payload, "", ++saves_});
  }

  void claim() {
    const std::string id = some_id(), node = "node_" + std::to_string(below(2)),
                      correlation = "c_" + std::to_string(below(3)),
                      owner = "engine_" + std::to_string(below(100));
    const auto claim = log_->paused().claim(id, node, correlation, owner);
    must(claim);
    const auto one = find(id);
    const bool wins = one != state_.paused.end() && one->owner.empty() && one->node == node &&
                      one->correlation == correlation;
    REQUIRE((claim->run != nullptr) == wins);
    REQUIRE(claim->lost_because.empty() == wins);
    if (wins) one->owner = owner;
  }

  void erase() {
    const std::string id = some_id();
    const auto erased = log_->paused().erase(id);
    must(erased);
    const auto one = find(id);
    REQUIRE(*erased == (one != state_.paused.end()));
    if (*erased) state_.paused.erase(one);
  }

  // A run ends, sometimes exactly as it ended before.
  void end(bool completely) {
    const std::string id = some_id(), flow = flow_of(id);
    const std::int64_t content = std::int64_t(below(3));
    const SampleRun sample(id, flow);
    Run run = sample.run();
    run.flow_version = content;
    run.status = content == 2 ? RunStatus::kCancelled : RunStatus::kCompleted;
    auto& records = state_.records;
    const auto before = std::find_if(records.begin(), records.end(),
                                     [&](const Record& one) { return one.id == id; });
    const bool is_duplicate = before != records.end() && before->content == content;
    const auto result = completely ? log_->paused().complete(run) : log_->append(run);
    must(result);
    REQUIRE((result->outcome == AppendResult::Outcome::kDuplicate) == is_duplicate);
    if (!is_duplicate) {
      if (before != records.end()) records.erase(before);
      records.push_back({id, flow, run.status, result->sequence, content});
    }
    // A record that was there before the run paused again does not end the pause; complete does.
    if (is_duplicate && !completely) return;
    if (const auto one = find(id); one != state_.paused.end()) state_.paused.erase(one);
  }

  // ---- what is asked ---------------------------------------------------------------------------

  struct Row {
    std::string id;
    RunStatus status;
    SequenceNumber sequence;
  };

  static bool is_among(const auto& values, const auto& value) {
    return values.empty() || std::find(values.begin(), values.end(), value) != values.end();
  }

  static std::vector<Row> expected_rows(const State& state, const Filter& filter,
                                        Direction direction) {
    std::vector<Row> live, done;
    for (const Paused& one : state.paused) {
      const RunStatus status = one.owner.empty() ? RunStatus::kPaused : RunStatus::kRunning;
      if (is_among(filter.flows, one.flow) && is_among(filter.statuses, status) &&
          !filter.error_text && !filter.finished_from)
        live.push_back({one.id, status, 0});
    }
    for (const Record& one : state.records)
      if (is_among(filter.flows, one.flow) && is_among(filter.statuses, one.status) &&
          !filter.error_text && filter.user.value_or("usr_1") == "usr_1")
        done.push_back({one.id, one.status, one.sequence});
    if (direction == Direction::kNewestFirst) {
      std::reverse(live.begin(), live.end());
      std::reverse(done.begin(), done.end());
    }
    live.insert(live.end(), done.begin(), done.end());
    return live;
  }

  Filter some_filter() {
    Filter filter;
    for (std::uint64_t i = below(3); i > 0; --i) filter.flows.push_back(flow_of(some_id()));
    constexpr RunStatus kStatuses[] = {RunStatus::kCompleted, RunStatus::kCancelled,
                                       RunStatus::kPaused, RunStatus::kRunning};
    for (std::uint64_t i = below(3); i > 0; --i) filter.statuses.push_back(kStatuses[below(4)]);
    if (below(10) == 0) filter.error_text = "x";
    if (below(10) == 0) filter.finished_from = 0;
    if (below(10) == 0) filter.user = "usr_1";
    return filter;
  }

  void ask(const std::shared_ptr<const Snapshot>& snapshot, const State& state) {
    ask_list(snapshot, state);
    ask_runs(snapshot, state);
    REQUIRE((snapshot->paused == nullptr) == state.paused.empty());
  }

  void ask_list(const std::shared_ptr<const Snapshot>& snapshot, const State& state) {
    ListRequest request;
    request.filter = some_filter();
    request.direction = below(2) == 0 ? Direction::kNewestFirst : Direction::kOldestFirst;
    const auto expected = expected_rows(state, request.filter, request.direction);
    std::size_t at = 0;
    for (bool more = true; more;) {
      request.limit = std::uint32_t(1 + below(8));
      request.with_total = below(2) == 0;
      const auto page = list(snapshot, request);
      must(page);
      REQUIRE(page->runs.size() == std::min<std::size_t>(request.limit, expected.size() - at));
      for (const RunHead& head : page->runs) {
        REQUIRE(head.run_id == expected[at].id);
        REQUIRE(head.status == expected[at].status);
        REQUIRE(head.sequence == expected[at].sequence);
        ++at;
      }
      if (request.with_total) REQUIRE(page->total == expected.size());
      REQUIRE(page->has_more == (at < expected.size()));
      request.cursor = page->next_cursor;
      more = page->has_more;
    }
    REQUIRE(count(*snapshot, request.filter) == expected.size());
  }

  void ask_runs(const std::shared_ptr<const Snapshot>& snapshot, const State& state) {
    const std::string id = some_id();
    const auto run = get(snapshot, id);
    const auto paused = std::find_if(state.paused.begin(), state.paused.end(),
                                     [&](const Paused& one) { return one.id == id; });
    const auto record = std::find_if(state.records.begin(), state.records.end(),
                                     [&](const Record& one) { return one.id == id; });
    const PausedRunPtr entry = find_paused(*snapshot, id);
    REQUIRE((entry != nullptr) == (paused != state.paused.end()));
    if (entry) {
      REQUIRE(entry->owner == paused->owner);
      REQUIRE(entry->node_id == paused->node);
      REQUIRE(entry->suspended()->run.variables_json == "{\"payload\":\"" + paused->payload + "\"}");
      must(run);
      REQUIRE(run->run.status == entry->status());
      REQUIRE(run->run.node_id == OptionalText(paused->node));
    } else if (record != state.records.end()) {
      must(run);
      REQUIRE(run->run.flow_version == record->content);
    } else {
      REQUIRE(run.error().code == ErrorCode::NotFound);
    }
  }

  // Another process, which follows the log or looks at it afresh.
  void check_follower() {
    std::string expected;
    for (const Row& row : expected_rows(state_, {}, Direction::kOldestFirst))
      expected += std::to_string(row.sequence) + " " + row.id + "\n";
    follower_.check(expected);
  }

  std::mt19937_64 random_;
  TempDir files_;
  std::filesystem::path directory_;
  Follower follower_;  // begins before any thread of the log
  LogOptions options_;
  std::shared_ptr<Log> log_;
  State state_;
  std::uint64_t saves_ = 0;
  std::vector<std::pair<std::shared_ptr<const Snapshot>, State>> held_;
};

}  // namespace

TEST_CASE("paused runs and records answer as plain containers would", "[model]") {
  for_each_life(kLives, [](std::uint64_t seed) { Life(seed).live(); });
}

}  // namespace runlog
