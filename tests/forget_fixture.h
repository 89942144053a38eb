// A log to forget runs of, with a word in them that must not be found afterwards.
#pragma once

#include <catch2/catch.hpp>

#include <fstream>
#include <set>
#include <string>
#include <vector>

#include "log/paused_runs.h"
#include "log/run_json.h"
#include "log/segment.h"
#include "tests/file_traces.h"
#include "tests/forget_runs.h"
#include "tests/retention_fixture.h"

namespace runlog {

class ForgetFixture : public RetentionFixture {
 public:
  void append_json(const std::string& json) {
    TextArena arena;
    Run run;
    must(parser_.parse(json, arena, run));
    must(log_->append(run));
  }
  void pause(const std::string& run_id, const std::string& word) {
    TextArena arena;
    SuspendedRun run;
    must(parser_.parse_suspended(suspended_with(run_id, word), arena, run));
    must(log_->paused().save(run));
  }
  ForgetReport forget(const ForgetRequest& request) {
    auto report = log_->forget(request);
    must(report);
    return *report;
  }
  std::set<std::string> traces(const std::vector<std::string>& raw = {}) const {
    return files_with(files_.path(), trace_, raw);
  }

  // As a process leaves a segment that dies within a commit: pages that nothing refers to, with the
  // word in them, and no mark. The log is closed.
  void leave_cut_commit(const SegmentInfo& segment) const {
    std::fstream file(segment_directory(files_.path(), segment.id) / "data.mdb",
                      std::ios::in | std::ios::out | std::ios::binary);
    file.seekp(2048);
    file << std::string(24, '\0');
    file.seekp(std::streamoff(segment.file_bytes));
    std::string pages(40 * 4096, '\0');  // more than sealing overwrites
    pages += word_;
    pages.resize(64 * 4096);
    file << pages;
  }

 protected:
  const Trace trace_{"qzxjvk"};
  const std::string word_ = trace_.text();

 private:
  RunJsonParser parser_;
};

}  // namespace runlog
