// Tenants: one log each, opened on demand, closed when idle, kept within budget and quota.
#include <catch2/catch.hpp>

#include <thread>

#include "server/tenants/tenants.h"
#include "tests/complaints.h"
#include "tests/log_fixture.h"

using namespace runlog;
using Catch::Matchers::Contains;

namespace {

TenantsOptions options_that_keep_all() {
  TenantsOptions options;
  options.log = keep_all();
  return options;
}

std::shared_ptr<Log> open(Tenants& tenants, std::string_view tenant) {
  auto log = tenants.open(tenant);
  must(log);
  return *log;
}

void append_runs(Log& log, int first, int count) {
  for (int i = first; i < first + count; ++i)
    must(log.append(SampleRun("run_" + std::to_string(i)).run()));
}

std::vector<std::string> names(Tenants& tenants) {
  auto list = tenants.list();
  must(list);
  std::vector<std::string> out;
  for (const TenantSummary& tenant : *list) out.push_back(tenant.name);
  return out;
}

}  // namespace

TEST_CASE("a tenant's log is opened when somebody asks for it, and shared") {
  const TempDir dir;
  Tenants tenants(dir.path(), options_that_keep_all());
  CHECK(tenants.open("acme").error().code == ErrorCode::NotFound);
  CHECK_FALSE(std::filesystem::exists(dir / "acme"));
  must(tenants.create("acme"));
  CHECK(tenants.opened("acme") == nullptr);
  const auto log = open(tenants, "acme");
  CHECK(tenants.opened("acme") == log);
  CHECK(open(tenants, "acme") == log);
  append_runs(*log, 0, 3);
  const auto again = tenants.create("acme");
  REQUIRE_FALSE(again);
  CHECK_THAT(again.error().message, Contains("already"));
  auto list = tenants.list();
  must(list);
  REQUIRE(list->size() == 1);
  CHECK(list->front().is_open);
  CHECK(list->front().runs == 3);
}

TEST_CASE("what is no tenant's name reaches no directory") {
  const TempDir dir;
  const auto data = dir / "data";
  Tenants outside(dir.path(), options_that_keep_all());
  must(outside.create("outside"));
  Tenants tenants(data, options_that_keep_all());
  must(tenants.create("acme"));
  for (const char* name : {"", ".", "..", "../outside", "acme/../../outside", "/etc", "acme/",
                           "ac me", "acme\n", "äcme", ".removed-acme"}) {
    INFO(name);
    CHECK(tenants.open(name).error().code == ErrorCode::InvalidArgument);
    CHECK(tenants.create(name).error().code == ErrorCode::InvalidArgument);
    CHECK(tenants.remove(name).error().code == ErrorCode::InvalidArgument);
    CHECK(tenants.opened(name) == nullptr);
  }
  CHECK(tenants.open(std::string(65, 'a')).error().code == ErrorCode::InvalidArgument);
  CHECK(names(outside) == std::vector<std::string>{"outside"});
}

TEST_CASE("threads that ask at once for a tenant share one log", "[threads]") {
  const TempDir dir;
  Tenants tenants(dir.path(), options_that_keep_all());
  must(tenants.create("acme"));
  Complaints complaints;
  std::vector<std::thread> threads;
  for (int t = 0; t < 4; ++t)
    threads.emplace_back([&, t] {
      for (int i = 0; i < 10; ++i) {
        auto log = tenants.open("acme");
        if (!complaints.check(log)) return;
        const std::string id = std::to_string(t) + "_" + std::to_string(i);
        complaints.check((*log)->append(SampleRun(id).run()));
      }
    });
  // Closes the log between the others' appends as often as it can.
  auto impatient = options_that_keep_all();
  impatient.idle_after = std::chrono::milliseconds(0);
  tenants.set_options(impatient);
  for (int i = 0; i < 50; ++i)
    for (const Error& error : tenants.tend()) complaints.add(error.message);
  for (std::thread& thread : threads) thread.join();
  CHECK(complaints.all().empty());
  CHECK(open(tenants, "acme")->describe().runs == 40);
}

TEST_CASE("a log that nobody uses is closed, and one that somebody holds is not") {
  const TempDir dir;
  auto options = options_that_keep_all();
  options.idle_after = std::chrono::milliseconds(0);
  Tenants tenants(dir.path(), options);
  must(tenants.create("held"));
  must(tenants.create("idle"));
  const auto held = open(tenants, "held");
  append_runs(*open(tenants, "idle"), 0, 2);
  CHECK(tenants.tend().empty());
  CHECK(tenants.opened("held") == held);
  CHECK(tenants.opened("idle") == nullptr);
  // Another process may write it now, or this one again.
  must(Log::open(dir / "idle"));
  CHECK(open(tenants, "idle")->describe().runs == 2);

  options.idle_after = std::chrono::hours(1);
  tenants.set_options(options);
  CHECK(tenants.tend().empty());
  CHECK(tenants.opened("idle") != nullptr);
}

TEST_CASE("a log that somebody only looks at becomes idle") {
  const TempDir dir;
  auto options = options_that_keep_all();
  options.idle_after = std::chrono::milliseconds(20);
  Tenants tenants(dir.path(), options);
  must(tenants.create("acme"));
  open(tenants, "acme");
  const auto patience = std::chrono::steady_clock::now() + std::chrono::seconds(10);
  while (tenants.glance("acme") && std::chrono::steady_clock::now() < patience)
    CHECK(tenants.tend().empty());
  CHECK(tenants.glance("acme") == nullptr);
  CHECK(tenants.opened("acme") == nullptr);
}

TEST_CASE("the largest active segments are sealed early when all take too much memory") {
  const TempDir dir;
  auto options = options_that_keep_all();
  Tenants tenants(dir.path(), options);
  must(tenants.create("large"));
  must(tenants.create("small"));
  const auto large = open(tenants, "large"), small = open(tenants, "small");
  append_runs(*large, 0, 200);
  append_runs(*small, 0, 5);
  const auto together =
      large->describe().index_memory_bytes + small->describe().index_memory_bytes;
  options.index_memory_bytes = together;
  tenants.set_options(options);
  tenants.measure();
  CHECK(tenants.tend().empty());
  CHECK(large->describe().segments.front().state == "active");
  options.index_memory_bytes = together - 1;
  tenants.set_options(options);
  tenants.measure();
  CHECK(tenants.tend().empty());
  CHECK(large->describe().segments.front().state == "sealed");
  CHECK(small->describe().segments.front().state == "active");
  CHECK(large->describe().runs == 200);
  // A budget that cannot be met ends too.
  options.index_memory_bytes = 0;
  tenants.set_options(options);
  tenants.measure();
  CHECK(tenants.tend().empty());
}

TEST_CASE("a tenant over its quota stores nothing more, and the others do") {
  const TempDir dir;
  auto options = options_that_keep_all();
  options.max_bytes = 1ull << 40;
  options.rules["small"].max_bytes = 1;
  Tenants tenants(dir.path(), options);
  must(tenants.create("small"));
  must(tenants.create("large"));
  const auto small = open(tenants, "small"), large = open(tenants, "large");
  const auto refused = tenants.admit("small", 1000);
  REQUIRE_FALSE(refused);
  CHECK(refused.error().code == ErrorCode::DiskFull);
  CHECK_THAT(refused.error().message, Contains("'small'") && Contains("quota"));
  CHECK(tenants.admit("large", 1000));
  // What was admitted counts before it is measured.
  CHECK_FALSE(tenants.admit("large", 1ull << 40));
  options.rules.clear();
  tenants.set_options(options);
  CHECK(tenants.admit("small", 1000));
}

TEST_CASE("a tenant whose retention stands in the options has it whenever its log is open") {
  const TempDir dir;
  TenantsOptions options;
  RetentionPolicy week;
  week.all.max_age_ms = 7 * 86'400'000ll;
  options.rules["acme"].retention = week;
  Tenants tenants(dir.path(), options);
  must(tenants.create("acme"));
  must(tenants.create("other"));
  CHECK(*open(tenants, "acme")->retention() == week);
  CHECK(*open(tenants, "other")->retention() == RetentionPolicy::standard());

  // Rules for a flow stay, and the archive; the others change with the options.
  const TempDir archive;
  RetentionPolicy changed = week;
  changed.flows["lead_routing"].max_per_flow = 5;
  changed.archive = archive.path().string();
  must(open(tenants, "acme")->set_retention(changed));
  options.rules["acme"].retention->all.max_age_ms = 86'400'000;
  CHECK(tenants.set_options(options).empty());
  changed.all.max_age_ms = 86'400'000;
  CHECK(*open(tenants, "acme")->retention() == changed);
}

TEST_CASE("a tenant is removed with all its runs, unless somebody uses it") {
  const TempDir dir;
  Tenants tenants(dir.path(), options_that_keep_all());
  must(tenants.create("acme"));
  must(tenants.create("other"));
  auto log = open(tenants, "acme");
  append_runs(*log, 0, 5);
  CHECK(tenants.remove("acme").error().code == ErrorCode::Busy);
  must(log->seal_now());
  log.reset();
  {
    Tenants elsewhere(dir.path(), options_that_keep_all());
    CHECK(elsewhere.remove("acme").error().code == ErrorCode::Busy);
  }
  CHECK(names(tenants) == std::vector<std::string>{"acme", "other"});
  // What a crash left of an earlier removal is in nobody's way.
  std::filesystem::create_directories(dir / ".removed-acme/segments/00000001");
  must(tenants.remove("acme"));
  CHECK(tenants.remove("acme").error().code == ErrorCode::NotFound);
  CHECK(tenants.open("acme").error().code == ErrorCode::NotFound);
  CHECK(names(tenants) == std::vector<std::string>{"other"});
  CHECK_FALSE(std::filesystem::exists(dir / ".removed-acme"));
  must(tenants.create("acme"));
  CHECK(open(tenants, "acme")->describe().runs == 0);
}

TEST_CASE("after a drain every log is closed and none is opened") {
  const TempDir dir;
  Tenants tenants(dir.path(), options_that_keep_all());
  must(tenants.create("acme"));
  const auto held = open(tenants, "acme");
  append_runs(*held, 0, 2);
  CHECK(tenants.close_all().empty());
  CHECK(held->append(SampleRun("late").run()).error().code == ErrorCode::Closed);
  CHECK(tenants.open("acme").error().code == ErrorCode::Closed);
  CHECK(tenants.create("new").error().code == ErrorCode::Closed);
  CHECK(tenants.close_all().empty());
}
