// What a log consists of, its paused runs and its retention, as messages, in both directions; as
// wire_query.h.
#pragma once

#include "log/log.h"
#include "log/paused_runs.h"
#include "server/protocol/protocol.capnp.h"

namespace runlog {

void write(const AppendResult& result, wire::AppendResult::Builder out);
// Errors: InvalidArgument (an outcome that there is none of, or kRefusedRun).
Expected<AppendResult> read_append_result(wire::AppendResult::Reader in);
// The outcomes 0 to 2 are those of AppendResult. Persistent: never renumber.
inline constexpr std::uint8_t kRefusedRun = 3;

// Without the directory: where it lies on the server is nobody's business.
void write(const LogInfo& info, wire::LogInfo::Builder out);
LogInfo read_log_info(wire::LogInfo::Reader in);

// With the suspended run itself if `with_json`. Errors: Corruption.
Expected<void> write(const PausedRun& run, bool with_json, wire::PausedRun::Builder out);
// Errors: InvalidArgument (a state that there is none of).
Expected<PausedRunPtr> read_paused(wire::PausedRun::Reader in);

void write(const Pin& pin, wire::Pinned::Builder out);
Pin read_pin(wire::Pinned::Reader in);

void write(const Log::Hidden& hidden, wire::Hidden::Builder out);
Log::Hidden read_hidden(wire::Hidden::Reader in);

void write(const SweepReport& report, wire::Swept::Builder out);
SweepReport read_sweep(wire::Swept::Reader in);

void write(const ForgetRequest& request, bool dry_run, wire::Forget::Builder out);
// Errors: InvalidArgument (there is no such `by`).
Expected<ForgetRequest> read_forget(wire::Forget::Reader in);
// Of the files that may hold something only the names, as with LogInfo.
void write(const ForgetReport& report, wire::Forgotten::Builder out);
ForgetReport read_forgotten(wire::Forgotten::Reader in);

}  // namespace runlog
