// A copy of a log that is in use: of its segments, and of what state/ says of them.
#pragma once

#include <filesystem>
#include <functional>
#include <memory>

#include "index/error.h"
#include "log/log.h"
#include "log/log_state.h"

namespace runlog {

// Copies the log of `state` into `directory`; see Log::backup(). `look` gives the newest snapshot.
// The copy has the state of one moment and all records of the segments that it names, so that it is
// what a crash shortly after that moment would have left: the records are those up to some sequence
// number, paused runs and pins are never older than what follows from these.
using Look = std::function<Expected<std::shared_ptr<const Snapshot>>()>;
Expected<BackupReport> back_up(const LogState& state, const Look& look,
                               const std::filesystem::path& directory,
                               const BackupProgress& progress);

}  // namespace runlog
