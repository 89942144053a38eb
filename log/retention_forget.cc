// What a forget hides, and that it stays to be removed until it is.
#include <algorithm>

#include "log/log_state.h"
#include "log/retention.h"

namespace runlog {

Expected<void> Retention::forget(const ForgottenRuns& forgotten) {
  std::lock_guard lock(mutex_);
  if (auto open = check_open(); !open) return open;
  const auto is_one = [&](SequenceNumber sequence) {
    return std::binary_search(forgotten.records.begin(), forgotten.records.end(), sequence);
  };
  Expected<void> result;
  state_.current->change([&](Snapshot& next) {
    const Snapshot before = next;
    const auto pins_before = pins_;
    const auto pinned_before = pinned_;
    const auto withheld_before = withheld_;
    Hiding hiding(next, changed_chunks_);
    for (const SequenceNumber sequence : forgotten.records) {
      hiding.hide(sequence);
      withhold_one(sequence);  // an archive must not get it, also if a rule hid it before
    }
    hiding.apply();
    for (const auto& [id, pin] : pins_)
      if (is_one(pin.sequence)) changed_pins_.insert(pin_key(id));
    std::erase_if(pins_, [&](const auto& pin) { return is_one(pin.second.sequence); });
    std::erase_if(pinned_, [&](const auto& pin) { return is_one(pin.first); });
    result = persist_edit(next, {forgotten_entry(forgotten)});
    if (!result) {
      next = before;
      pins_ = pins_before;
      pinned_ = pinned_before;
      withheld_ = withheld_before;
      return;
    }
    forgotten_ = forgotten.records;
    result = start_tracking(next, next.end);
  });
  return result;
}

void Retention::end_forget() {
  state_.current->with_edits_held([&](const auto&) { forgotten_.clear(); });
}

bool Retention::is_forgotten(SequenceNumber sequence) const {
  return state_.current->with_edits_held([&](const auto& snapshot) {
    if (sequence >= snapshot->end) return false;  // is only about to be stored
    if (std::binary_search(forgotten_.begin(), forgotten_.end(), sequence)) return true;
    return !find_sequence(*snapshot, sequence);
  });
}

}  // namespace runlog
