// What a commit leaves that failed, or that a crash cut short.
#include <cstring>

#include "log/active_segment.h"

namespace runlog {
namespace {

// How often something may have left bytes behind. Errors: IoError.
Expected<std::uint64_t> count_of_leftovers(LmdbEnv& env) {
  auto read = LmdbRead::begin(env);
  if (!read) return tl::unexpected(read.error());
  auto stored = read->get(LmdbTable::kTables, kHealKey);
  if (!stored) return tl::unexpected(stored.error());
  std::uint64_t times = 0;
  if (*stored && (*stored)->size() == sizeof times)
    std::memcpy(&times, (*stored)->data(), sizeof times);
  return times;
}

}  // namespace

Expected<void> ActiveSegment::heal() {
  if (auto opened = env_->reopen(); !opened) return opened;
  return note_leftovers();
}

Expected<void> ActiveSegment::note_leftovers() {
  auto times = count_of_leftovers(*env_);
  if (!times) return tl::unexpected(times.error());
  ++*times;
  auto write = LmdbWrite::begin(*env_);
  if (!write) return tl::unexpected(write.error());
  auto put = write->put(LmdbTable::kTables, kHealKey, std::as_bytes(std::span(&*times, 1)));
  return put ? write->commit() : put;
}

Expected<bool> ActiveSegment::may_have_leftovers() const {
  if (is_note_missing_) return true;
  auto times = count_of_leftovers(*env_);
  if (!times) return tl::unexpected(times.error());
  return *times != 0;
}

Expected<void> ActiveSegment::mark_closed() {
  // Without the mark the next open notes what this one could not.
  return is_note_missing_ ? Expected<void>() : env_->mark_closed();
}

}  // namespace runlog
