// What must be in an archive, whatever was done to its log.
#pragma once

#include <catch2/catch.hpp>

#include <algorithm>
#include <filesystem>
#include <iterator>
#include <string>
#include <vector>

#include "tests/faults/retention_plan.h"
#include "tests/log_fixture.h"

namespace runlog {

// Each run that a rule has hidden is archived once, or still there, or, after a crash between the two,
// both; nothing else is archived. A run that was replaced or is visible never is.
inline void check_archive(Log& log, const std::filesystem::path& archive,
                          std::vector<std::string> expired, bool after_crash) {
  auto archived = faults::archived_ids(archive);
  must(archived);
  auto hidden = faults::hidden_ids(log);
  must(hidden);
  std::sort(archived->begin(), archived->end());
  std::sort(hidden->begin(), hidden->end());
  std::sort(expired.begin(), expired.end());
  const auto twice = std::adjacent_find(archived->begin(), archived->end());
  if (twice != archived->end()) FAIL(*twice << " is archived twice");
  const auto difference = [](const auto& all, const auto& without) {
    std::vector<std::string> rest;
    std::set_difference(all.begin(), all.end(), without.begin(), without.end(),
                        std::back_inserter(rest));
    return rest;
  };
  const std::vector<std::string> nothing;
  CHECK(difference(*archived, expired) == nothing);
  const auto missing = difference(expired, *archived);
  CHECK(difference(missing, *hidden) == nothing);
  if (after_crash) return;
  CHECK(difference(*hidden, *archived) == *hidden);
  for (const auto& entry : std::filesystem::directory_iterator(archive))
    if (entry.path().extension() == ".partial") FAIL(entry.path() << " was left");
}

}  // namespace runlog
