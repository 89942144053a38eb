// What retention keeps in state/, as bytes: the policy, the hidden runs, the pins and how far they
// are known. log/FORMAT.md has the layout; log/retention.h has the meaning.
#pragma once

#include <cstddef>
#include <cstdint>
#include <map>
#include <optional>
#include <span>
#include <vector>

#include "index/error.h"
#include "index/ordinal_set.h"
#include "log/catalog.h"
#include "log/names.h"
#include "log/pin.h"
#include "log/retention_policy.h"

namespace runlog {

// Persistent: never renumber. Keys of state's table "t", beside kIdentityKey and kGenerationKey.
inline constexpr std::uint64_t kPolicyKey = 3;
inline constexpr std::uint64_t kMarkKey = 4;
inline constexpr std::uint64_t kForgetKey = 5;
inline constexpr std::uint64_t kArchiveProblemKey = 6;
inline constexpr std::uint64_t kHiddenKey = 1ull << 56;  // + chunk
inline constexpr std::uint64_t kPinKey = 1ull << 57;     // + the low 56 bits of the run id's hash
inline constexpr std::uint64_t kRetentionKeysEnd = kPinKey + (1ull << 56);
inline constexpr std::uint64_t kWithheldKey = 1ull << 59;  // + chunk
inline constexpr std::uint64_t kWithheldKeysEnd = kWithheldKey + (1ull << 56);
inline constexpr unsigned kHiddenChunkBits = 16;

inline std::uint64_t hidden_chunk_of(SequenceNumber sequence) {
  return sequence >> kHiddenChunkBits;
}
std::uint64_t pin_key(std::string_view run_id);

struct RetentionMark {
  SequenceNumber hidden_to = 1;
  Symbol names_end = 0;
  UnixMs trusted_time = 0;  // 0: none yet
  UnixMs jumped_to = 0;     // 0: no jump waits for its confirmation
};

// What a forget has begun to remove and not finished removing (see log/forgetting.h). Says nothing of
// what was in it. Both ascend.
struct ForgottenRuns {
  std::vector<SequenceNumber> records;
  std::vector<std::uint64_t> paused;  // numbers of entries
};

// Everything of it, as it stands in state/.
struct StoredRetention {
  std::optional<RetentionPolicy> policy;
  std::optional<RetentionMark> mark;
  std::map<std::uint64_t, OrdinalSet> hidden;  // by chunk: low halves of sequence numbers
  std::vector<Pin> pins;
  std::optional<ForgottenRuns> forgotten;
  // Hidden runs that are not archived when they go, because no rule hid them; likewise. Of those that
  // a record of the log supersedes, that record says it.
  std::map<std::uint64_t, OrdinalSet> withheld;
  std::string archive_problem;
};

// Takes one entry of state's table "t"; false if its key is none of these.
// Errors: Corruption (says what cannot be read; the caller adds the file).
Expected<bool> take_retention_entry(std::uint64_t key, Bytes value, StoredRetention& into);

// Errors: Corruption (names the file); IoError.
Expected<StoredRetention> load_retention(const Catalog& catalog);

StateEntry policy_entry(const RetentionPolicy& policy);
StateEntry mark_entry(const RetentionMark& mark);
StateEntry forgotten_entry(const ForgottenRuns& forgotten);
// An empty set removes the entry, and so do no pins.
StateEntry hidden_entry(std::uint64_t chunk, const OrdinalSet& low_halves);
StateEntry withheld_entry(std::uint64_t chunk, const OrdinalSet& low_halves);
// No problem removes the entry.
StateEntry archive_problem_entry(const std::string& problem);
StateEntry pin_entry(std::uint64_t key, std::span<const Pin* const> pins);

}  // namespace runlog
