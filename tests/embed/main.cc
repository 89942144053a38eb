// Appends one run to a log in the folder that is named on the command line, and reads it back.
#include <cstdio>
#include <filesystem>

#include "log/log.h"
#include "query/query.h"

namespace {

int fail(const runlog::Error& error) {
  std::fprintf(stderr, "embed: %s\n", error.message.c_str());
  return 1;
}

}  // namespace

int main(int argc, char** argv) {
  if (argc != 2) {
    std::fprintf(stderr, "usage: embed DATA\n");
    return 2;
  }
  // The log of one tenant is one folder below the data folder.
  auto log = runlog::Log::open(std::filesystem::path(argv[1]) / "acme");
  if (!log) return fail(log.error());

  runlog::Run run;
  run.run_id = "run_5f0c7a52-6a1e-4c55-9a5d-0d2f6f1f4a10";
  run.flow_name = "lead_routing";
  run.status = runlog::RunStatus::kFailed;
  run.started_at = 1'792'454'403'630;  // milliseconds since 1970
  run.duration_ms = 85;
  run.error.emplace().message = "the mail server refused the message";
  auto appended = (*log)->append(run);  // on disk when this returns
  if (!appended) return fail(appended.error());

  auto snapshot = (*log)->snapshot();
  if (!snapshot) return fail(snapshot.error());
  auto stored = runlog::get(*snapshot, run.run_id);
  if (!stored) return fail(stored.error());

  const auto& error = stored->run.error;
  std::printf("run %llu of %.*s: %.*s\n", static_cast<unsigned long long>(appended->sequence),
              static_cast<int>(stored->run.flow_name.size()), stored->run.flow_name.data(),
              static_cast<int>(error->message->size()), error->message->data());
  return stored->run.run_id == run.run_id ? 0 : 1;
}
