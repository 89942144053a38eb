// Pages of runs: order, cursors, totals, and what each filter takes. tests/model_test.cc combines
// them at random; here stand the cases that it would not name.
#include <catch2/catch.hpp>
#include <string>
#include <vector>

#include "query/query.h"
#include "tests/test_run.h"

namespace runlog {
namespace {

class ListFixture {
 public:
  ListFixture() {
    LogOptions options = small_segments();
    options.segment_runs = 10;
    log_ = *Log::open(files_ / "log", options);
  }
  // Appends a run with the next id, "r1" first.
  TestRun& add(TestRun run = {}) {
    run.run_id = "r" + std::to_string(++count_);
    append(run);
    return last_ = run;
  }
  void append(const TestRun& run) {
    const auto result = log_->append(run.view());
    if (!result) FAIL(result.error().message);
  }
  ListResult list(const ListRequest& request) {
    auto page = runlog::list(*log_->snapshot(), request);
    if (!page) FAIL(page.error().message);
    return std::move(*page);
  }
  // The ids of all runs that `filter` takes, newest first.
  std::vector<std::string> ids(const Filter& filter) {
    ListRequest request;
    request.filter = filter;
    request.limit = 1000;
    const ListResult page = list(request);
    CHECK(page.total == page.runs.size());
    const auto counted = count(*(*log_->snapshot()), filter);
    REQUIRE(counted);
    CHECK(*counted == page.total);
    std::vector<std::string> out;
    for (const RunHead& run : page.runs) out.emplace_back(run.run_id);
    return out;
  }
  std::string refusal(const ListRequest& request) {
    const auto page = runlog::list(*log_->snapshot(), request);
    REQUIRE_FALSE(page);
    CHECK(page.error().code == ErrorCode::InvalidArgument);
    return page.error().message;
  }

 protected:
  TempDir files_;
  std::shared_ptr<Log> log_;
  unsigned count_ = 0;
  TestRun last_;
};

using Ids = std::vector<std::string>;

TEST_CASE_METHOD(ListFixture, "an empty log lists nothing", "[list]") {
  const ListResult page = list({});
  CHECK(page.runs.empty());
  CHECK_FALSE(page.has_more);
  CHECK(page.next_cursor.empty());
  CHECK(page.total == 0);
}

TEST_CASE_METHOD(ListFixture, "a page that ends with the last run says that there is no more",
                 "[list]") {
  for (int i = 0; i < 30; ++i) add();
  ListRequest request;
  request.limit = 30;
  CHECK_FALSE(list(request).has_more);
  request.limit = 29;
  CHECK(list(request).has_more);
}

TEST_CASE_METHOD(ListFixture, "a limit of 0 or above 1000 is refused with the limit's name",
                 "[list]") {
  ListRequest request;
  request.limit = 0;
  CHECK(refusal(request) == "the limit of a list is 0; it must be from 1 to 1000");
  request.limit = 1001;
  CHECK(refusal(request) == "the limit of a list is 1001; it must be from 1 to 1000");
}

TEST_CASE_METHOD(ListFixture, "matches far behind the newest page are found", "[list]") {
  TestRun rare;
  rare.flow = "rare";
  add(rare);
  for (int i = 0; i < 200; ++i) add();
  ListRequest request;
  request.filter.flows = {"rare"};
  request.limit = 1;
  const ListResult page = list(request);
  REQUIRE(page.runs.size() == 1);
  CHECK(page.runs[0].run_id == "r1");
  CHECK_FALSE(page.has_more);
  CHECK(page.total == 1);
}

TEST_CASE_METHOD(ListFixture, "a cursor goes on where its page ended although runs were appended, "
                              "segments sealed and merged", "[list]") {
  for (int i = 0; i < 40; ++i) add();
  ListRequest request;
  request.limit = 15;
  ListResult page = list(request);
  CHECK(page.runs.back().run_id == "r26");
  for (int i = 0; i < 40; ++i) add();
  REQUIRE(log_->seal_now());
  request.cursor = page.next_cursor;
  page = list(request);
  REQUIRE(page.runs.size() == 15);
  CHECK(page.runs.front().run_id == "r25");
  CHECK(page.total == 80);
}

TEST_CASE_METHOD(ListFixture, "a cursor whose run was superseded goes on behind its place",
                 "[list]") {
  for (int i = 0; i < 6; ++i) add();
  ListRequest request;
  request.limit = 3;
  for (const Direction direction : {Direction::kNewestFirst, Direction::kOldestFirst}) {
    request.direction = direction;
    request.cursor.clear();
    request.cursor = list(request).next_cursor;
    TestRun again = last_;
    again.run_id = direction == Direction::kNewestFirst ? "r4" : "r3";
    again.version = 2;
    append(again);
    const ListResult page = list(request);
    REQUIRE_FALSE(page.runs.empty());
    CHECK(page.runs.front().run_id == (direction == Direction::kNewestFirst ? "r3" : "r5"));
  }
}

TEST_CASE_METHOD(ListFixture, "a cursor that is damaged, of another filter, of the other direction "
                              "or of another log is refused", "[list]") {
  for (int i = 0; i < 5; ++i) add();
  ListRequest request;
  request.limit = 2;
  const std::string cursor = list(request).next_cursor;
  request.cursor = "not a cursor";
  CHECK(refusal(request) == "the cursor is damaged");
  request.cursor = cursor;
  request.filter.flows = {"flow"};
  CHECK(refusal(request) == "the cursor belongs to a list with another filter or another direction");
  request.filter.flows.clear();
  request.direction = Direction::kOldestFirst;
  CHECK(refusal(request) == "the cursor belongs to a list with another filter or another direction");
  request.direction = Direction::kNewestFirst;
  request.limit = 3;  // the limit may change
  CHECK(list(request).runs.size() == 3);

  ListFixture other;
  other.add();
  CHECK(other.refusal(request) == "the cursor belongs to another log");
}

TEST_CASE_METHOD(ListFixture, "a record without its object is refused", "[list]") {
  ListRequest request;
  request.filter.trigger_record = "rec-1";
  CHECK(refusal(request) == "a filter names the trigger record 'rec-1' without the object that it "
                            "is a record of");
}

TEST_CASE_METHOD(ListFixture, "values that no run has match nothing", "[list]") {
  add();
  Filter filter;
  filter.flows = {"no such flow"};
  CHECK(ids(filter).empty());
  filter.statuses = {RunStatus::kCompleted, RunStatus::kFailed, RunStatus::kCancelled,
                     RunStatus::kTimedOut};
  CHECK(ids(filter).empty());
  filter.flows = {"no such flow", "flow", "flow"};
  CHECK(ids(filter) == Ids{"r1"});
  filter.flows = {std::string(5000, 'x')};
  CHECK(ids(filter).empty());
  filter = {};
  filter.user = "nobody";
  CHECK(ids(filter).empty());
}

TEST_CASE_METHOD(ListFixture, "time ranges take runs at both of their ends, and an empty range "
                              "takes none", "[list]") {
  for (const UnixMs at : {1000, 2000, 3000}) {
    TestRun run;
    run.started_at = at;
    run.duration_ms = 500;
    add(run);
  }
  for (const bool sealed : {false, true}) {
    if (sealed) REQUIRE(log_->seal_now());
    Filter filter;
    filter.finished_from = 1500;
    filter.finished_to = 2500;
    CHECK(ids(filter) == Ids{"r2", "r1"});
    filter.started_from = 1001;
    CHECK(ids(filter) == Ids{"r2"});
    filter = {};
    filter.started_to = 1000;
    CHECK(ids(filter) == Ids{"r1"});
    filter.started_from = 1001;
    CHECK(ids(filter).empty());
  }
}

TEST_CASE_METHOD(ListFixture, "the same record id in two objects is two records", "[list]") {
  for (const char* object : {"lead", "contact", "lead"}) {
    TestRun run;
    run.object = object;
    run.record = "17";
    add(run);
  }
  for (const bool sealed : {false, true}) {
    if (sealed) REQUIRE(log_->seal_now());
    Filter filter;
    filter.trigger_object = "lead";
    filter.trigger_record = "17";
    CHECK(ids(filter) == Ids{"r3", "r1"});
    filter.trigger_object = "contact";
    CHECK(ids(filter) == Ids{"r2"});
    filter.trigger_record = "18";
    CHECK(ids(filter).empty());
  }
}

TEST_CASE_METHOD(ListFixture, "error text is found behind what the head keeps of a message",
                 "[list]") {
  TestRun run;
  run.status = RunStatus::kFailed;
  run.error_message = std::string(5000, '.') + " Connection RESET";
  add(run);
  run.error_message = std::string(5000, '.');
  add(run);
  add();
  for (const bool sealed : {false, true}) {
    if (sealed) REQUIRE(log_->seal_now());
    Filter filter;
    filter.error_text = "connection reset";
    CHECK(ids(filter) == Ids{"r1"});
    filter.error_text = "";
    CHECK(ids(filter) == Ids{"r2", "r1"});
  }
}

TEST_CASE_METHOD(ListFixture, "all labels of a filter must be met", "[list]") {
  TestRun run;
  run.labels = {{"env", "prod"}, {"team", "a"}};
  add(run);
  run.labels = {{"env", "prod"}};
  add(run);
  Filter filter;
  filter.labels = {{"env", "prod"}};
  CHECK(ids(filter) == Ids{"r2", "r1"});
  filter.labels = {{"env", "prod"}, {"team", "a"}};
  CHECK(ids(filter) == Ids{"r1"});
  filter.labels = {{"env", "prod"}, {"team", "b"}};
  CHECK(ids(filter).empty());
}

TEST_CASE_METHOD(ListFixture, "a superseded run is listed once, as it is now", "[list]") {
  for (int i = 0; i < 30; ++i) add();
  TestRun again = last_;
  again.run_id = "r3";
  again.status = RunStatus::kFailed;
  append(again);
  for (const bool sealed : {false, true}) {
    if (sealed) REQUIRE(log_->seal_now());
    Filter filter;
    filter.statuses = {RunStatus::kFailed};
    CHECK(ids(filter) == Ids{"r3"});
    filter.statuses = {RunStatus::kCompleted};
    CHECK(ids(filter).size() == 29);
    CHECK(ids({}).size() == 30);
  }
}

TEST_CASE_METHOD(ListFixture, "what a list returned stays readable after the log is closed",
                 "[list]") {
  TestRun run;
  run.status = RunStatus::kFailed;
  run.error_message = "an error that is written down somewhere";
  run.user = std::string(300, 'u');
  run.record = "a record";
  add(run);
  const ListResult page = list({});
  for (int i = 0; i < 50; ++i) add();
  REQUIRE(log_->close());
  log_.reset();
  CHECK(page.runs[0].error_message == "an error that is written down somewhere");
  CHECK(page.runs[0].user_id == std::string(300, 'u'));
  CHECK(page.runs[0].trigger_record_id == "a record");
  CHECK(page.runs[0].run_id == "r1");
}

}  // namespace
}  // namespace runlog
