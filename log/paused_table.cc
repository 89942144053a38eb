#include "log/paused_table.h"

#include <algorithm>
#include <utility>

#include <fmt/format.h>

#include "log/file_io.h"
#include "log/kill_point.h"
#include "log/run_json.h"

namespace runlog {
namespace {

Error damaged(const Catalog& catalog, const std::string& what) {
  return {ErrorCode::Corruption,
          fmt::format("'{}' is damaged: {}", catalog.file().string(), what)};
}

Expected<PausedHeader> read_header(const Catalog& catalog, const LmdbRead& read) {
  auto stored = read.get(LmdbTable::kTables, kPausedBase);
  if (!stored) return tl::unexpected(stored.error());
  if (!*stored) return PausedHeader();  // no run was ever paused
  const auto header = read_sealed<PausedHeader>(**stored);
  if (!header || header->magic != PausedHeader::kMagic || header->version != 1)
    return tl::unexpected(damaged(catalog, "the header of the paused runs fails its checksum"));
  return *header;
}

// Claims change an entry under its number.
bool is_same(const PausedRun& known, std::span<const std::byte> stored) {
  const std::vector<std::byte> again = encode_paused_run(known);
  return std::equal(again.begin(), again.end(), stored.begin(), stored.end());
}

Error explain(Error error, const std::filesystem::path& log) {
  error = explain_write_failure(std::move(error), log);
  if (error.code == ErrorCode::OutcomeUnknown)
    error.message = fmt::format("'{}' could not be written; whether the paused run was changed is "
                                "unknown: look, then do it again",
                                (log / "state" / "data.mdb").string());
  return error;
}

std::string shown(const std::optional<std::string>& text) {
  return text ? fmt::format("'{}'", *text) : "none";
}

bool same_text(const std::optional<std::string>& stored, const OptionalText& wanted) {
  return stored.has_value() == wanted.has_value() && (!stored || *stored == *wanted);
}

// Why a claim of this entry is lost; empty if it is not.
std::string why_lost(const PausedRun& run, const OptionalText& node_id,
                     const OptionalText& correlation) {
  if (run.state == PausedRun::State::kRunning)
    return fmt::format("'{}' was claimed by '{}' at {}", run.run_id, run.owner,
                       format_time(run.claimed_at));
  if (!same_text(run.node_id, node_id))
    return fmt::format("'{}' waits at another node: {}", run.run_id, shown(run.node_id));
  if (!same_text(run.correlation, correlation))
    return fmt::format("'{}' waits for another correlation: {}", run.run_id,
                       shown(run.correlation));
  return "";
}

}  // namespace

// ---- reading ---------------------------------------------------------------------------------

Expected<StoredPausedRuns> read_paused_runs(const Catalog& catalog, const PausedSet* known) {
  auto read = catalog.begin_read();
  if (!read) return tl::unexpected(read.error());
  StoredPausedRuns found;
  auto header = read_header(catalog, *read);
  if (!header) return tl::unexpected(header.error());
  found.header = *header;
  Expected<void> result;
  auto scanned =
      read->scan(LmdbTable::kTables, kPausedBase + 1, [&](std::uint64_t key, Bytes value) {
        if (known != nullptr) {
          const auto at = known->by_save().lower_bound(key - kPausedBase);
          if (at != known->by_save().end() && is_same(*known->by_save().at(at), value)) {
            found.runs.push_back(known->by_save().at(at));
            return true;
          }
        }
        auto run = decode_paused_run(key, value);
        if (!run || (*run)->number >= found.header.next_number) {
          result = tl::unexpected(damaged(
              catalog, fmt::format("paused run {}: {}", key - kPausedBase,
                                   run ? "its number was not given out yet" : run.error().message)));
          return false;
        }
        found.runs.push_back(std::move(*run));
        return true;
      });
  if (!scanned) return tl::unexpected(scanned.error());
  if (!result) return tl::unexpected(result.error());
  if (found.runs.size() != found.header.entries)
    return tl::unexpected(damaged(catalog, fmt::format("it has {} paused runs instead of {}",
                                                       found.runs.size(), found.header.entries)));
  return found;
}

Expected<std::uint64_t> read_paused_changes(const Catalog& catalog) {
  auto read = catalog.begin_read();
  if (!read) return tl::unexpected(read.error());
  auto header = read_header(catalog, *read);
  if (!header) return tl::unexpected(header.error());
  return header->changes;
}

PausedSet set_of(std::span<const PausedRunPtr> runs, std::vector<PausedRunPtr>& older) {
  PausedSet set;
  for (const PausedRunPtr& run : runs) {
    if (PausedRunPtr before = set.find(run->run_id, run->id_hash)) {
      set.erase(*before);
      older.push_back(std::move(before));
    }
    set.insert(run);
  }
  return set;
}

// ---- opening and mending ---------------------------------------------------------------------

Expected<void> PausedTable::open(Snapshot& snapshot,
                                 const std::vector<std::uint64_t>& forgotten) {
  auto found = read_paused_runs(catalog_, nullptr);
  if (!found) return tl::unexpected(found.error());
  header_ = found->header;
  for (const PausedRunPtr& run : found->runs) stored_.insert(run->number);
  std::vector<PausedRunPtr> over, put;
  PausedSet set = set_of(found->runs, over);
  for (PausedRunPtr& run : take_numbers(set, forgotten)) over.push_back(std::move(run));
  // A repair may have set aside the newest records. What is appended now gets their numbers again,
  // and must count as newer than the entry.
  for (PausedRunPtr& run : found->runs) {
    if (run->sequence <= snapshot.end || !set.contains(*run)) continue;
    auto lowered = std::make_shared<PausedRun>(*run);
    lowered->sequence = snapshot.end;
    set.erase(*run);
    set.insert(lowered);
    put.push_back(std::move(lowered));
  }
  set_paused(snapshot, std::move(set));
  auto finished = take_finished(snapshot, 0);
  if (!finished) return tl::unexpected(finished.error());
  note_finished(over);
  note_finished(*finished);
  if (!put.empty())
    if (auto done = write(put, {}); !done) return done;
  // If the disk is too full even for this, the background work tries again.
  (void)remove_finished();
  return {};
}

// After a failed commit nobody knows whether it took effect: look again.
Expected<void> PausedTable::reload() {
  const auto known = current_->get()->paused;
  auto found = read_paused_runs(catalog_, known.get());
  if (!found) return tl::unexpected(found.error());
  header_ = found->header;
  stored_.clear();
  for (const PausedRunPtr& run : found->runs) stored_.insert(run->number);
  std::vector<PausedRunPtr> over;
  const PausedSet set = set_of(found->runs, over);
  Expected<void> result;
  current_->change([&](Snapshot& next) {
    auto before = next.paused;
    set_paused(next, set);
    result = end_pauses_from(next, 0);
    if (!result) next.paused = std::move(before);
  });
  if (!result) return result;
  note_finished(over);
  needs_reload_ = false;
  return {};
}

Expected<void> PausedTable::begin_change() {
  if (closed_) return fail(ErrorCode::Closed, "the log is closed");
  return needs_reload_ ? reload() : Expected<void>();
}

// ---- changes ---------------------------------------------------------------------------------

// Each of `remove` is in state/, and none of them is of `put`.
Expected<void> PausedTable::store(std::span<const PausedRunPtr> put,
                                  const std::vector<std::uint64_t>& remove) {
  PausedHeader header = header_;
  ++header.changes;
  header.entries -= remove.size();
  for (const PausedRunPtr& run : put) {
    header.entries += 1 - stored_.count(run->number);
    header.next_number = std::max(header.next_number, run->number + 1);
  }
  auto done = catalog_.write_beside([&](LmdbWrite& write) -> Expected<void> {
    for (const std::uint64_t number : remove)
      if (auto removed = write.remove(LmdbTable::kTables, kPausedBase + number); !removed)
        return removed;
    for (const PausedRunPtr& run : put) {
      const std::vector<std::byte> bytes = encode_paused_run(*run);
      if (auto added = write.put(LmdbTable::kTables, kPausedBase + run->number, bytes); !added)
        return added;
    }
    return write.put(LmdbTable::kTables, kPausedBase, sealed_bytes(header));
  });
  if (!done) return done;
  header_ = header;
  for (const std::uint64_t number : remove) stored_.erase(number);
  for (const PausedRunPtr& run : put) stored_.insert(run->number);
  return {};
}

// Writes entries and removes others, and with them what records have ended.
Expected<void> PausedTable::write(std::span<const PausedRunPtr> put,
                                  std::vector<std::uint64_t> remove) {
  const std::vector<std::uint64_t> finished = take_finished_numbers();
  remove.insert(remove.end(), finished.begin(), finished.end());
  std::sort(remove.begin(), remove.end());
  remove.erase(std::unique(remove.begin(), remove.end()), remove.end());
  // A run that ends while it is claimed is noted again by the claim, which finds that out.
  std::erase_if(remove, [&](std::uint64_t number) {
    return stored_.count(number) == 0 ||
           std::any_of(put.begin(), put.end(),
                       [&](const PausedRunPtr& run) { return run->number == number; });
  });
  if (put.empty() && remove.empty()) return {};
  kill_point("paused.before_commit");
  if (auto done = store(put, remove); !done) {
    {
      std::lock_guard lock(finished_mutex_);
      finished_.insert(finished_.end(), finished.begin(), finished.end());
    }
    needs_reload_ = true;
    if (current_ != nullptr) (void)reload();
    return tl::unexpected(explain(done.error(), log_));
  }
  kill_point("paused.after_commit");
  return {};
}

PausedRunPtr PausedTable::find(std::string_view run_id) const {
  return find_paused(*current_->get(), run_id);
}

Expected<void> PausedTable::save(PausedRun made) {
  std::lock_guard lock(mutex_);
  if (auto ready = begin_change(); !ready) return ready;
  const PausedRunPtr before = find(made.run_id);
  made.number = header_.next_number;
  made.sequence = current_->get()->end;
  const PausedRunPtr run = std::make_shared<const PausedRun>(std::move(made));
  std::vector<std::uint64_t> remove;
  if (before) remove.push_back(before->number);
  if (auto written = write({&run, 1}, std::move(remove)); !written) return written;
  Expected<void> result;
  current_->change([&](Snapshot& next) {
    PausedSet set = copy_paused(next);
    if (before) set.erase(*before);
    set.insert(run);
    set_paused(next, std::move(set));
    // The run may have ended while its entry was written.
    if (next.end > run->sequence) result = end_pauses_from(next, run->sequence);
  });
  return result;
}

Expected<ClaimResult> PausedTable::claim(std::string_view run_id, OptionalText node_id,
                                         OptionalText correlation, std::string_view owner,
                                         UnixMs now) {
  std::lock_guard lock(mutex_);
  if (auto ready = begin_change(); !ready) return tl::unexpected(ready.error());
  const PausedRunPtr before = find(run_id);
  if (!before) return ClaimResult{nullptr, fmt::format("'{}' is not paused", run_id)};
  if (std::string why = why_lost(*before, node_id, correlation); !why.empty())
    return ClaimResult{nullptr, std::move(why)};
  auto claimed = std::make_shared<PausedRun>(*before);
  claimed->state = PausedRun::State::kRunning;
  claimed->owner = owner;
  claimed->claimed_at = now;
  const PausedRunPtr run = std::move(claimed);
  if (auto written = write({&run, 1}, {}); !written) return tl::unexpected(written.error());
  bool has_ended = false;
  current_->change([&](Snapshot& next) {
    PausedSet set = copy_paused(next);
    has_ended = !set.contains(*before);
    if (has_ended) return;
    set.erase(*before);
    set.insert(run);
    set_paused(next, std::move(set));
  });
  if (has_ended) {
    note_finished({&run, 1});
    return ClaimResult{nullptr, fmt::format("'{}' has just ended", run_id)};
  }
  return ClaimResult{run, ""};
}

Expected<bool> PausedTable::erase(std::string_view run_id) {
  std::lock_guard lock(mutex_);
  if (auto ready = begin_change(); !ready) return tl::unexpected(ready.error());
  const PausedRunPtr run = find(run_id);
  return run ? erase_run(run) : Expected<bool>(false);
}

Expected<void> PausedTable::erase_number(std::string_view run_id, std::uint64_t number) {
  std::lock_guard lock(mutex_);
  if (auto ready = begin_change(); !ready) return ready;
  const PausedRunPtr run = find(run_id);
  if (!run || run->number != number) return {};
  auto erased = erase_run(run);
  return erased ? Expected<void>() : tl::unexpected(erased.error());
}

Expected<void> PausedTable::erase_numbers(const std::vector<std::uint64_t>& numbers) {
  std::lock_guard lock(mutex_);
  if (auto ready = begin_change(); !ready) return ready;
  if (auto written = write({}, numbers); !written) return written;
  current_->change([&](Snapshot& next) {
    if (!next.paused) return;
    PausedSet set = copy_paused(next);
    take_numbers(set, numbers);
    set_paused(next, std::move(set));
  });
  return {};
}

Expected<bool> PausedTable::erase_run(const PausedRunPtr& run) {
  if (auto written = write({}, {run->number}); !written) return tl::unexpected(written.error());
  current_->change([&](Snapshot& next) {
    PausedSet set = copy_paused(next);
    set.erase(*run);
    set_paused(next, std::move(set));
  });
  return true;
}

void PausedTable::close() {
  std::lock_guard lock(mutex_);
  closed_ = true;
}

// ---- what records end ------------------------------------------------------------------------

void PausedTable::end_pauses(Snapshot& next, std::span<const PendingRecord> records) {
  if (!next.paused) return;
  std::vector<PausedRunPtr> ended;
  for (const PendingRecord& record : records)
    for (PausedRunPtr& run : next.paused->find_hash(record.run->id_hash)) {
      const auto head = HeadView::open(record.run->bytes, record.sequence);
      if (head && head->run_id_is(run->run_id)) ended.push_back(std::move(run));
    }
  if (ended.empty()) return;
  PausedSet rest = copy_paused(next);
  for (const PausedRunPtr& run : ended) rest.erase(*run);
  set_paused(next, std::move(rest));
  note_finished(ended);
}

Expected<void> PausedTable::end_pauses_from(Snapshot& next, SequenceNumber from) {
  auto ended = take_finished(next, from);
  if (!ended) return tl::unexpected(ended.error());
  note_finished(*ended);
  return {};
}

void PausedTable::note_finished(std::span<const PausedRunPtr> runs) {
  std::lock_guard lock(finished_mutex_);
  for (const PausedRunPtr& run : runs) finished_.push_back(run->number);
}

std::vector<std::uint64_t> PausedTable::take_finished_numbers() {
  std::lock_guard lock(finished_mutex_);
  return std::exchange(finished_, {});
}

bool PausedTable::has_finished() const {
  std::lock_guard lock(finished_mutex_);
  return !finished_.empty();
}

Expected<void> PausedTable::remove_finished() {
  std::lock_guard lock(mutex_);
  if (closed_) return {};  // the next open does it
  if (needs_reload_)
    if (auto reloaded = reload(); !reloaded) return reloaded;
  return write({}, {});
}

}  // namespace runlog
