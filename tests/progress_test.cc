#include "server/progress.h"

#include <unistd.h>

#include <catch2/catch.hpp>

using namespace runlog;
using std::chrono::milliseconds;

TEST_CASE("progress shows share, rate and remaining time when the end is known") {
  CHECK(progress_text("importing", {12'000, "run", 250, 1000, milliseconds(2000)}) ==
        "importing   25 %  12,000 runs  6,000 runs/s  6 s left");
  CHECK(progress_text("importing", {12'000, "run", 10, 1000, milliseconds(2000)}) ==
        "importing    1 %  12,000 runs  6,000 runs/s  3 m 18 s left");
}

TEST_CASE("progress of a pipe shows what is known") {
  CHECK(progress_text("importing", {12'000, "run", 250, std::nullopt, milliseconds(2000)}) ==
        "importing  12,000 runs  6,000 runs/s");
  CHECK(progress_text("importing", {0, "run", 0, 0, milliseconds(0)}) ==
        "importing  0 runs  0 runs/s");
}

TEST_CASE("a file that grew while it was read does not confuse the progress") {
  CHECK(progress_text("verifying", {0, "", 2'000'000, 1'000'000, milliseconds(1000)}) ==
        "verifying  100 %  2.00 MB  2.00 MB/s");
}

TEST_CASE("progress writes nothing where there is no terminal") {
  int ends[2];
  REQUIRE(::pipe(ends) == 0);
  {
    Output output(ends[1]);
    Progress progress(output, Screen(), "importing", "run");
    for (int i = 0; i < 1000; ++i) progress.update(1, 1, 2);
  }
  ::close(ends[1]);
  char byte;
  CHECK(::read(ends[0], &byte, 1) == 0);
  ::close(ends[0]);
}
