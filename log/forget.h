// Forgetting: runs are removed for good, with everything that the log's files keep of them.
//
//   ForgetRequest request;
//   request.by = ForgetRequest::By::kUser;
//   request.values = {"usr_42"};
//   auto report = log->forget(request);
//
// What goes: every record of a run that matches, also those that were superseded or that retention
// hides; paused runs that match; the pins of runs that go; the names that no other run uses. A run
// that has several records, or a record and a pause, matches as soon as one of them does. Segments
// that held any of it are written anew, and so is state/: no file of the log has its bytes afterwards.
//
// What stays: runs that only mention the value in a payload or a message; counters, which are sums;
// flows named in the retention policy; what a file system, its snapshots or backups keep of files that
// were deleted; and what the report names in `may_hold`.
#pragma once

#include <cstdint>
#include <filesystem>
#include <functional>
#include <string>
#include <vector>

namespace runlog {

struct ForgetRequest {
  enum class By {
    kOrganization,  // organizationId
    kUser,          // userId
    kRecord,        // triggerObject, which is `object`, and triggerRecordId
    kRun,           // runId
  };
  By by = By::kRun;
  std::string object;               // for kRecord, and only for it
  std::vector<std::string> values;  // any of them; at least one
};

// What was removed, or would be.
struct ForgetReport {
  std::uint64_t runs = 0;          // that had a record
  std::uint64_t records = 0;       // theirs, hidden ones too
  std::uint64_t record_bytes = 0;
  std::uint64_t paused = 0;        // paused and claimed runs
  std::uint64_t pins = 0;
  std::uint64_t rewritten_segments = 0, dropped_segments = 0;
  std::uint64_t freed_bytes = 0, written_bytes = 0;  // of segments' files; a plan estimates
  // What still holds some of it, or may, and what no forget touches: files of the log's archive, and
  // what a repair has set aside.
  std::vector<std::filesystem::path> may_hold;
};

// How far it has come: segments that were written anew, of so many. Called by the thread that
// forgets.
using ForgetProgress = std::function<void(std::uint64_t done, std::uint64_t total)>;

}  // namespace runlog
