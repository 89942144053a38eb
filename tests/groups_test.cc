// Counts by one property.
#include <catch2/catch.hpp>
#include <string>
#include <vector>

#include "query/query.h"
#include "tests/test_run.h"

namespace runlog {

static bool operator==(const Group& a, const Group& b) {
  return a.name == b.name && a.count == b.count && a.object == b.object;
}
static std::ostream& operator<<(std::ostream& out, const Group& group) {
  return out << group.object.value_or("") << " " << group.name << ": " << group.count;
}

namespace {

using Groups = std::vector<Group>;

class GroupsFixture {
 public:
  GroupsFixture() : log_(*Log::open(files_ / "log", small_segments())) {}
  void add(TestRun run) {
    if (run.run_id.empty()) run.run_id = "r" + std::to_string(++count_);
    const auto result = log_->append(run.view());
    if (!result) FAIL(result.error().message);
  }
  Groups by(TermKind kind, const Filter& filter = {}) {
    const auto found = groups(**log_->snapshot(), kind, filter);
    if (!found) FAIL(found.error().message);
    return *found;
  }

 protected:
  TempDir files_;
  std::shared_ptr<Log> log_;
  unsigned count_ = 0;
};

TEST_CASE_METHOD(GroupsFixture, "groups come largest first, ties in the order of their names",
                 "[groups]") {
  CHECK(by(TermKind::kFlow).empty());
  for (const char* flow : {"b", "c", "a", "c", "ä"}) {
    TestRun run;
    run.flow = flow;
    add(run);
  }
  const Groups expected = {{"c", 2}, {"a", 1}, {"b", 1}, {"ä", 1}};
  CHECK(by(TermKind::kFlow) == expected);
  REQUIRE(log_->seal_now());
  CHECK(by(TermKind::kFlow) == expected);
}

TEST_CASE_METHOD(GroupsFixture, "statuses have the names that runs have", "[groups]") {
  for (unsigned status = 0; status < kRunStatusCount; ++status) {
    for (unsigned i = 0; i <= status; ++i) {
      TestRun run;
      run.status = RunStatus(status);
      add(run);
    }
  }
  CHECK(by(TermKind::kStatus) ==
        Groups{{"timed_out", 4}, {"cancelled", 3}, {"failed", 2}, {"completed", 1}});
}

TEST_CASE_METHOD(GroupsFixture, "a group counts a superseded run once, where it is now",
                 "[groups]") {
  TestRun run;
  run.run_id = "x";
  run.error_code = "E1";
  add(run);
  for (int i = 0; i < 100; ++i) add({});
  run.error_code = "E2";
  add(run);
  CHECK(by(TermKind::kErrorCode) == Groups{{"E2", 1}});
  REQUIRE(log_->seal_now());
  CHECK(by(TermKind::kErrorCode) == Groups{{"E2", 1}});
  CHECK(by(TermKind::kFlow) == Groups{{"flow", 101}});
}

TEST_CASE_METHOD(GroupsFixture, "a filter narrows groups", "[groups]") {
  for (int i = 0; i < 9; ++i) {
    TestRun run;
    run.flow = i % 2 == 0 ? "even" : "odd";
    run.user = i % 3 == 0 ? "third" : "other";
    add(run);
  }
  Filter filter;
  filter.user = "third";
  CHECK(by(TermKind::kFlow, filter) == Groups{{"even", 2}, {"odd", 1}});
  filter.flows = {"odd"};
  CHECK(by(TermKind::kUser, filter) == Groups{{"third", 1}});
  filter.user = "nobody";
  CHECK(by(TermKind::kUser, filter).empty());
}

TEST_CASE_METHOD(GroupsFixture, "records are grouped with their objects", "[groups]") {
  for (const char* object : {"lead", "contact", "lead"}) {
    TestRun run;
    run.object = object;
    run.record = "17";
    add(run);
  }
  CHECK(by(TermKind::kRecord) == Groups{{"17", 2, "lead"}, {"17", 1, "contact"}});
}

TEST_CASE_METHOD(GroupsFixture, "records whose names only look alike are groups of their own",
                 "[groups]") {
  const auto add_record = [&](std::optional<std::string> object, const std::string& record) {
    TestRun run;
    run.object = std::move(object);
    run.record = record;
    add(run);
  };
  add_record("obj/x", "1");
  add_record("obj", "x/1");
  add_record("", "only");
  add_record(std::nullopt, "only");
  CHECK(by(TermKind::kRecord) ==
        Groups{{"1", 1, "obj/x"}, {"only", 1}, {"only", 1, ""}, {"x/1", 1, "obj"}});
}

TEST_CASE_METHOD(GroupsFixture, "values too long for a name are grouped by what they are",
                 "[groups]") {
  const std::string one = std::string(400, 'x') + "1", two = std::string(400, 'x') + "2";
  for (const std::string& value : {one, two, two, std::string("short")}) {
    TestRun run;
    run.user = value;
    run.labels = {{"k", value}, {"k", "also"}, {"k", value}};
    add(run);
  }
  for (const bool sealed : {false, true}) {
    if (sealed) REQUIRE(log_->seal_now());
    CHECK(by(TermKind::kUser) == Groups{{two, 2}, {"short", 1}, {one, 1}});
    CHECK(by(TermKind::kLabel) ==
          Groups{{"k=also", 4}, {"k=" + two, 2}, {"k=short", 1}, {"k=" + one, 1}});
  }
}

TEST_CASE_METHOD(GroupsFixture, "equal failures group by their fingerprint, which is a filter too",
                 "[groups]") {
  for (int i = 0; i < 3; ++i) {
    TestRun run;
    run.status = RunStatus::kFailed;
    run.error_message = "record " + std::to_string(1000 + i) + " not found";
    add(run);
  }
  add({});
  const Groups found = by(TermKind::kFingerprint);
  REQUIRE(found.size() == 1);
  CHECK(found[0].count == 3);
  Filter filter;
  filter.fingerprint = found[0].name;
  CHECK(by(TermKind::kFlow, filter) == Groups{{"flow", 3}});
}

TEST_CASE_METHOD(GroupsFixture, "kinds without values of their own are refused", "[groups]") {
  for (const TermKind kind : {TermKind::kFlowStatus, TermKind::kHasError}) {
    const auto refused = groups(**log_->snapshot(), kind, {});
    REQUIRE_FALSE(refused);
    CHECK(refused.error().code == ErrorCode::InvalidArgument);
  }
}

}  // namespace
}  // namespace runlog
