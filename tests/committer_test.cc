// Group commit by itself.
#include "log/committer.h"

#include <catch2/catch.hpp>

#include <new>

using namespace runlog;

TEST_CASE("a commit that throws is its group's error, and the next one is made") {
  bool throws = true;
  Committer committer(
      [&](std::span<CommitRequest* const>) {
        if (throws) throw std::bad_alloc();
      },
      std::chrono::milliseconds(0));
  CommitRequest first, second;
  REQUIRE(committer.commit(first));
  REQUIRE(first.error);
  CHECK(first.error->code == ErrorCode::OutcomeUnknown);
  throws = false;
  REQUIRE(committer.commit(second));
  CHECK(!second.error);
}
