// What a test needs to run a program under the I/O shim.
#pragma once

#include <catch2/catch.hpp>

#include <filesystem>

#include "tests/faults/child_process.h"
#include "tests/faults/io_shim.h"
#include "tests/sanitized.h"

// A sanitizer's runtime must be the first library of a process, and so must a preloaded one.
#ifdef RUNLOG_SANITIZED
#define RUNLOG_NEEDS_SHIM()                                                       \
  do {                                                                            \
    WARN("skipped: the I/O shim cannot be preloaded into a sanitizer's program"); \
    return;                                                                       \
  } while (false)
#else
#define RUNLOG_NEEDS_SHIM() static_cast<void>(0)
#endif

namespace runlog::faults {

// Records what the program does below `watched` into `journal`.
inline Environment shim_environment(const std::filesystem::path& watched,
                                    const std::filesystem::path& journal,
                                    const std::filesystem::path& acks) {
  // LD_PRELOAD's names end at spaces, which the path of a checkout may have; a folder's do not.
  const std::filesystem::path shim(RUNLOG_IO_SHIM_PATH);
  return {{"LD_PRELOAD", shim.filename().string()},
          {"LD_LIBRARY_PATH", shim.parent_path().string()},
          {kShimDirectory, watched.string()},
          {kShimJournal, journal.string()},
          {kShimAcks, acks.string()}};
}

}  // namespace runlog::faults
