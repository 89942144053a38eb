// Long random lives of a log, compared at every step with a model that keeps all runs in a list.
//
// A failure prints its seed; RUNLOG_TEST_SEED=n repeats that life alone. RUNLOG_TEST_ROUNDS=n lives
// n times as many lives.
#include <algorithm>
#include <catch2/catch.hpp>
#include <cmath>
#include <future>
#include <map>
#include <string>
#include <vector>

#include <fmt/format.h>

#include "tests/follower.h"
#include "tests/lives.h"
#include "tests/model.h"
#include "tests/random_runs.h"
#include "tests/test_run.h"

namespace runlog {
namespace {

constexpr unsigned kLives = 4;
constexpr unsigned kSteps = 120;

// What the answers of one snapshot must be, for good.
struct Held {
  std::shared_ptr<const Snapshot> snapshot;
  Model::Runs runs;
};

// A list that is read page by page while the log goes on.
struct Paging {
  ModelFilter filter;
  Direction direction = Direction::kNewestFirst;
  std::string cursor;
  SequenceNumber last = 0;
};

class Life {
 public:
  explicit Life(std::uint64_t seed) : random_(seed), directory_(files_ / "log"),
                                      follower_(directory_) {
    options_ = small_segments();
    options_.segment_runs = std::uint32_t(8 + random_.below(60));
    options_.train_dictionary = random_.one_in(2);
    open();
  }

  void live() {
    for (unsigned i = 0; i < kSteps; ++i) {
      change();
      ask();
    }
    follower_.stop();
  }

 private:
  void open() {
    auto opened = Log::open(directory_, options_);
    if (!opened) FAIL(opened.error().message);
    log_ = *opened;
  }
  static void succeed(const Expected<void>& done) {
    if (!done) FAIL(done.error().message);
  }
  std::shared_ptr<const Snapshot> snapshot() {
    auto taken = log_->snapshot();
    if (!taken) FAIL(taken.error().message);
    return *taken;
  }

  // ---- what happens to the log -----------------------------------------------------------------

  void change() {
    switch (random_.below(16)) {
      case 0: case 1: case 2: case 3: return append_one(some_run());
      case 4: case 5: case 6: case 7: return append_batch(1 + random_.below(20));
      case 8: return append_async();
      case 9: return append_one(random_.with_id(known_id()));
      case 10: return append_one(repeated());
      case 11: return succeed(log_->seal_now());
      case 12: return succeed(log_->wait_idle());
      case 13: return reopen();
      case 14: return hold();
      case 15: return follower_.check(model_);
    }
  }

  RandomRun some_run() {
    if (random_.one_in(8)) return random_.with_id(known_id());
    if (random_.one_in(8)) return repeated();
    return random_.make();
  }
  std::string known_id() {
    const auto& entries = model_.entries();
    return entries.empty() ? random_.new_id() : entries[random_.below(entries.size())].run.run_id;
  }
  // Any content that was appended before, hidden or not.
  RandomRun repeated() {
    const auto& entries = model_.entries();
    if (entries.empty()) return random_.make();
    const auto& entry = entries[random_.below(entries.size())];
    return {entry.run, entry.folded_message};
  }

  // Takes an answer over into the model, after checking it.
  void note(const RandomRun& made, const AppendResult& result) {
    const auto expected = model_.outcome(made.run);
    REQUIRE(result.outcome == expected);
    if (expected == AppendResult::Outcome::kDuplicate) {
      REQUIRE(result.sequence == model_.find(made.run.run_id)->sequence);
      return;
    }
    REQUIRE(result.sequence > model_.last_sequence());
    // What only the log knows: when a run without times counts as finished, and its size.
    const auto now = snapshot();
    std::vector<std::byte> stored;
    const auto sequence = get_stored(*now, made.run.run_id, stored);
    if (!sequence) FAIL(sequence.error().message);
    UnixMs finished = made.run.started_at;
    if (made.run.finished_at) {
      finished = *made.run.finished_at;
    } else if (made.run.duration_ms) {
      finished += *made.run.duration_ms;
    } else {
      const auto head = HeadView::open(stored, *sequence);
      REQUIRE(head);
      finished = head->recorded_at();
    }
    model_.add(made.run, made.folded_message, result.sequence, finished, stored.size());
  }

  void append_one(const RandomRun& made) {
    const auto result = log_->append(made.run.view());
    if (!result) FAIL(result.error().message);
    note(made, *result);
  }

  Batch batch_of(const std::vector<RandomRun>& runs) {
    Batch batch = log_->make_batch();
    for (const RandomRun& made : runs) REQUIRE(batch.add(made.run.view()));
    return batch;
  }

  // Different runs, because the size of each is asked for after the batch.
  void append_batch(std::size_t size) {
    std::vector<RandomRun> runs;
    while (runs.size() < size) {
      RandomRun made = some_run();
      const auto same = [&](const RandomRun& other) { return other.run.run_id == made.run.run_id; };
      if (std::none_of(runs.begin(), runs.end(), same)) runs.push_back(std::move(made));
    }
    const auto results = log_->append(batch_of(runs));
    if (!results) FAIL(results.error().message);
    REQUIRE(results->size() == runs.size());
    for (std::size_t i = 0; i < runs.size(); ++i) note(runs[i], (*results)[i]);
  }

  void append_async() {
    using Results = Expected<std::vector<AppendResult>>;
    std::vector<std::vector<RandomRun>> batches(1 + random_.below(4));
    std::vector<std::promise<Results>> done(batches.size());
    for (std::size_t i = 0; i < batches.size(); ++i) {
      for (std::uint64_t runs = 1 + random_.below(6); runs > 0; --runs) {
        batches[i].push_back(random_.make());
      }
      log_->append_async(batch_of(batches[i]),
                         [&promise = done[i]](Results results) { promise.set_value(results); });
    }
    // In the order in which the log took them.
    std::map<SequenceNumber, std::pair<RandomRun, AppendResult>> taken;
    for (std::size_t i = 0; i < batches.size(); ++i) {
      const Results results = done[i].get_future().get();
      if (!results) FAIL(results.error().message);
      REQUIRE(results->size() == batches[i].size());
      for (std::size_t k = 0; k < results->size(); ++k) {
        taken[(*results)[k].sequence] = {batches[i][k], (*results)[k]};
      }
    }
    for (const auto& [sequence, answered] : taken) note(answered.first, answered.second);
  }

  void reopen() {
    succeed(log_->close());
    log_.reset();
    options_.segment_runs = std::uint32_t(8 + random_.below(60));
    open();
  }

  void hold() {
    if (held_.size() == 3) held_.erase(held_.begin() + std::ptrdiff_t(random_.below(3)));
    held_.push_back({snapshot(), model_.visible()});
  }

  // ---- what is asked ---------------------------------------------------------------------------

  void ask() {
    const Held now{snapshot(), model_.visible()};
    ask(now);
    if (!held_.empty()) ask(held_[random_.below(held_.size())]);
    next_page(now);
    if (random_.one_in(4)) ask_statistics();
  }

  void ask(const Held& held) {
    const ModelFilter filter = random_.filter();
    const Model::Runs expected = model_.matching(held.runs, filter);
    REQUIRE(held.snapshot->live() == held.runs.size());
    switch (random_.below(4)) {
      case 0: return ask_pages(held, filter, expected);
      case 1: {
        const auto counted = count(*held.snapshot, filter.filter);
        if (!counted) FAIL(counted.error().message);
        REQUIRE(*counted == expected.size());
        return;
      }
      case 2: return ask_groups(held, filter, expected);
      case 3: return ask_run(held);
    }
  }

  void check_head(const RunHead& head, const Model::Entry& entry) {
    const TestRun& run = entry.run;
    REQUIRE(head.sequence == entry.sequence);
    REQUIRE(head.run_id == run.run_id);
    REQUIRE(head.flow_name == run.flow);
    REQUIRE(head.flow_version == run.version);
    REQUIRE(head.status == run.status);
    REQUIRE(head.started_at == run.started_at);
    REQUIRE(head.finished_at == run.finished_at);
    REQUIRE(head.duration_ms == run.duration_ms);
    const auto same = [](const OptionalText& text, const std::optional<std::string>& expected) {
      return text.has_value() == expected.has_value() && (!text || *text == *expected);
    };
    REQUIRE(same(head.error_code, run.error_code));
    REQUIRE(same(head.error_node_id, run.error_node));
    REQUIRE(same(head.user_id, run.user));
    REQUIRE(same(head.organization_id, run.organization));
    REQUIRE(same(head.trigger_type, run.trigger_type));
    REQUIRE(same(head.trigger_object, run.object));
    REQUIRE(same(head.trigger_record_id, run.record));
    REQUIRE(head.error_message.has_value() == run.error_message.has_value());
    if (!run.error_message) return;
    REQUIRE(*head.error_message == cut_message(*run.error_message));
    REQUIRE(head.error_is_cut == (head.error_message->size() < run.error_message->size()));
  }

  static std::string describe(const ListRequest& request) {
    const Filter& filter = request.filter;
    std::string text = request.direction == Direction::kNewestFirst ? "newest" : "oldest";
    for (const std::string& flow : filter.flows) text += " flow " + flow;
    for (const RunStatus status : filter.statuses) text += " status " + std::to_string(int(status));
    const auto add = [&](const char* name, const auto& value) {
      if (value) text += fmt::format(" {} '{:.40}'", name, fmt::format("{}", *value));
    };
    add("trigger type", filter.trigger_type);
    add("object", filter.trigger_object);
    add("record", filter.trigger_record);
    add("user", filter.user);
    add("organization", filter.organization);
    add("node", filter.failing_node);
    add("code", filter.error_code);
    add("fingerprint", filter.fingerprint);
    add("text", filter.error_text);
    add("finished from", filter.finished_from);
    add("finished to", filter.finished_to);
    add("started from", filter.started_from);
    add("started to", filter.started_to);
    for (const auto& [key, value] : filter.labels) {
      text += fmt::format(" label {}={:.20}", key, value);
    }
    return text;
  }

  // Reads a list of one snapshot to its end.
  void ask_pages(const Held& held, const ModelFilter& filter, const Model::Runs& expected) {
    ListRequest request;
    request.filter = filter.filter;
    request.direction = random_.one_in(2) ? Direction::kNewestFirst : Direction::kOldestFirst;
    Model::Runs order = expected;
    if (request.direction == Direction::kNewestFirst) std::reverse(order.begin(), order.end());
    std::size_t at = 0;
    for (bool more = true; more;) {
      request.limit = std::uint32_t(1 + random_.below(40));
      request.with_total = random_.one_in(2);
      INFO("a page of " << describe(request));
      const auto page = list(held.snapshot, request);
      if (!page) FAIL(page.error().message);
      REQUIRE(page->runs.size() == std::min<std::size_t>(request.limit, order.size() - at));
      for (const RunHead& head : page->runs) check_head(head, model_.entries()[order[at++]]);
      if (request.with_total) REQUIRE(page->total == order.size());
      REQUIRE(page->has_more == (at < order.size()));
      REQUIRE(page->next_cursor.empty() == !page->has_more);
      request.cursor = page->next_cursor;
      more = page->has_more;
    }
  }

  // Reads the next page of a list that goes on over all changes of the log.
  void next_page(const Held& now) {
    if (pages_.size() < 4) {
      pages_.push_back({random_.filter(), random_.one_in(2) ? Direction::kNewestFirst
                                                            : Direction::kOldestFirst, "", 0});
    }
    const std::size_t which = random_.below(pages_.size());
    Paging& paging = pages_[which];
    Model::Runs rest = model_.matching(now.runs, paging.filter);
    const bool newest_first = paging.direction == Direction::kNewestFirst;
    if (newest_first) std::reverse(rest.begin(), rest.end());
    std::erase_if(rest, [&](std::size_t run) {
      const SequenceNumber sequence = model_.entries()[run].sequence;
      return paging.last != 0 && (newest_first ? sequence >= paging.last : sequence <= paging.last);
    });
    ListRequest request{paging.filter.filter, paging.direction, paging.cursor,
                        std::uint32_t(1 + random_.below(20)), false};
    INFO("the next page of " << describe(request));
    const auto page = list(now.snapshot, request);
    if (!page) FAIL(page.error().message);
    REQUIRE(page->runs.size() == std::min<std::size_t>(request.limit, rest.size()));
    for (std::size_t i = 0; i < page->runs.size(); ++i) {
      check_head(page->runs[i], model_.entries()[rest[i]]);
    }
    REQUIRE(page->has_more == (page->runs.size() < rest.size()));
    if (!page->has_more) {
      pages_.erase(pages_.begin() + std::ptrdiff_t(which));
      return;
    }
    paging.cursor = page->next_cursor;
    paging.last = page->runs.back().sequence;
  }

  void ask_groups(const Held& held, const ModelFilter& filter, const Model::Runs& expected) {
    const TermKind by = random_.group_kind();
    const bool all = random_.one_in(2);
    const auto found = groups(*held.snapshot, by, all ? Filter() : filter.filter);
    if (!found) FAIL(found.error().message);
    const auto wanted = model_.groups(all ? held.runs : expected, by);
    CAPTURE(unsigned(by));
    REQUIRE(found->size() == wanted.size());
    for (std::size_t i = 0; i < wanted.size(); ++i) {
      REQUIRE((*found)[i].name == wanted[i].name);
      REQUIRE((*found)[i].object == wanted[i].object);
      REQUIRE((*found)[i].count == wanted[i].count);
    }
  }

  void ask_run(const Held& held) {
    REQUIRE(get(held.snapshot, "no such run").error().code == ErrorCode::NotFound);
    if (held.runs.empty()) return;
    const auto& entry = model_.entries()[held.runs[random_.below(held.runs.size())]];
    const auto run = get(held.snapshot, entry.run.run_id);
    if (!run) FAIL(run.error().message);
    REQUIRE(run->run == entry.run.view());
  }

  void ask_statistics() {
    const auto all = statistics(*log_, std::nullopt);
    if (!all) FAIL(all.error().message);
    REQUIRE(all->front().flow.empty());
    std::uint64_t flows = 0;
    for (const Group& group : model_.groups(model_.visible(), TermKind::kFlow)) {
      REQUIRE(++flows < all->size());
      REQUIRE((*all)[flows].flow == group.name);
    }
    REQUIRE(all->size() == flows + 1);
    for (const FlowStatistics& found : *all) check_statistics(found);
    const std::string& one = all->back().flow;
    const auto alone = statistics(*log_, one);
    if (flows > 0) {
      REQUIRE(alone);
      REQUIRE(alone->size() == 1);
      check_statistics(alone->front());
    }
  }

  void check_statistics(const FlowStatistics& found) {
    const FlowStatistics expected = model_.statistics(found.flow);
    REQUIRE(found.runs == expected.runs);
    REQUIRE(found.bytes == expected.bytes);
    REQUIRE(found.selected == expected.selected);
    REQUIRE(found.acted == expected.acted);
    REQUIRE(found.unmeasured == expected.unmeasured);
    REQUIRE(found.last_run == expected.last_run);
    REQUIRE(found.last_failure == expected.last_failure);
    REQUIRE(found.by_hour.size() == expected.by_hour.size());
    for (std::size_t i = 0; i < expected.by_hour.size(); ++i) {
      REQUIRE(found.by_hour[i].start == expected.by_hour[i].start);
      REQUIRE(found.by_hour[i].runs == expected.by_hour[i].runs);
    }
    const auto durations = model_.durations(found.flow);
    const auto check_percentile = [&](double fraction, std::int64_t estimate) {
      if (durations.empty()) {
        REQUIRE(estimate == -1);
        return;
      }
      const auto rank = std::size_t(std::ceil(fraction * double(durations.size())));
      const std::int64_t exact = durations[std::max<std::size_t>(rank, 1) - 1];
      REQUIRE(std::abs(double(estimate - exact)) <= std::max(1.0, double(exact) * 0.0625));
    };
    check_percentile(0.50, found.p50_ms);
    check_percentile(0.95, found.p95_ms);
    check_percentile(0.99, found.p99_ms);
  }

  RandomRuns random_;
  TempDir files_;
  std::filesystem::path directory_;
  Follower follower_;  // begins before any thread of the log
  LogOptions options_;
  std::shared_ptr<Log> log_;
  Model model_;
  std::vector<Held> held_;
  std::vector<Paging> pages_;
};

}  // namespace

TEST_CASE("a log answers as a list of all its runs would", "[model]") {
  for_each_life(kLives, [](std::uint64_t seed) { Life(seed).live(); });
}

}  // namespace runlog
