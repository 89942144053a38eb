// How the I/O shim is told what to do: environment variables of the process that preloads it.
#pragma once

namespace runlog::faults {

// The directory that is watched, as an absolute path without symbolic links. Without it the shim
// does nothing.
inline constexpr const char* kShimDirectory = "RUNLOG_SHIM_DIRECTORY";
// Where the journal goes (outside the directory); appended to.
inline constexpr const char* kShimJournal = "RUNLOG_SHIM_JOURNAL";
// A file outside the directory; every write to it becomes a kAck in the journal.
inline constexpr const char* kShimAcks = "RUNLOG_SHIM_ACKS";

// Which operation fails, counted from 1: the N-th that writes a file's content or length; the N-th
// sync; the N-th that creates, renames or removes a directory entry.
inline constexpr const char* kShimFailWrite = "RUNLOG_SHIM_FAIL_WRITE";
inline constexpr const char* kShimFailSync = "RUNLOG_SHIM_FAIL_SYNC";
inline constexpr const char* kShimFailEntry = "RUNLOG_SHIM_FAIL_ENTRY";
// How many in a row fail; 0 means all from then on; the default is 1.
inline constexpr const char* kShimFailTimes = "RUNLOG_SHIM_FAIL_TIMES";
// "EIO" (the default), "ENOSPC", or "SHORT": half of the bytes are written and counted, as a disk
// does that runs full in the middle of a write; what fails after that fails with ENOSPC.
inline constexpr const char* kShimFailWith = "RUNLOG_SHIM_FAIL_WITH";

// The process kills itself (SIGKILL) before its N-th operation of any kind.
inline constexpr const char* kShimKill = "RUNLOG_SHIM_KILL";

}  // namespace runlog::faults
