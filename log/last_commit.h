// The last commit of a segment that is appended to. Such a commit writes its pages and its meta page
// and then syncs both at once, which takes half the time of LMDB's own order (data, sync, meta page,
// sync). The price: after a power cut the meta page may be on the disk while some pages are not. So
// whoever opens the segment for writing settles that one commit first: either all of it is there, or
// it was never acknowledged and is undone. The commit before it was synced before it began, and no
// commit touches the pages of the one before it: that one is always whole.
#pragma once

#include <cstdint>
#include <filesystem>
#include <functional>
#include <span>
#include <string>
#include <vector>

#include "index/error.h"

namespace runlog {

// Says whether an entry is what was written, as its own checksum tells. Called for every entry of a
// state, in the order of tables and keys; a new one is made for each state.
using EntryCheck = std::function<bool(const std::string& table, std::uint64_t key,
                                      std::span<const std::byte> value)>;
using MakeEntryCheck = std::function<EntryCheck()>;

enum class LastCommit {
  kMarked,  // whole: the process that made it said so when it closed the file
  kWhole,
  kTorn,    // the commit before it is whole
};

// Looks at the last commit of a file's bytes; `path` only stands in messages. A file that was closed
// with a mark is not looked at further.
// Errors: Corruption (both the last commit and the one before it are damaged, or a meta page is).
Expected<LastCommit> judge_last_commit(std::span<const std::byte> file,
                                       const std::filesystem::path& path,
                                       const MakeEntryCheck& make_check);

// Makes the last commit certain: one that is whole is written once more and synced, since a sync
// that failed may have left it in memory only; a torn one is undone. With `always` also a marked one.
// For a file that LMDB does not have open for writing.
// Errors: those of judge_last_commit; IoError; DiskFull.
Expected<LastCommit> settle_last_commit(const std::filesystem::path& file,
                                        const MakeEntryCheck& make_check, bool always);

// The bytes of a file whose last commit is torn, without that commit. Errors: Corruption.
Expected<std::vector<std::byte>> without_last_commit(std::span<const std::byte> file,
                                                     const std::filesystem::path& path);

// Marks the newest transaction as whole on the disk, so that damage to it is never taken for a torn
// commit. For a file whose last commit was synced and that is not written any more.
// Errors: Corruption (a meta page); IoError; DiskFull.
Expected<void> mark_last_commit(const std::filesystem::path& file);

}  // namespace runlog
