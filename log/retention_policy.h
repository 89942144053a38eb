// Which runs a log keeps: the rules that people set, what they mean together, and which of them make
// no sense.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <limits>
#include <map>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "index/error.h"
#include "log/run.h"

namespace runlog {

// The value of a rule that is switched off, in contrast to one that is not set and falls back.
inline constexpr std::int64_t kNoLimit = std::numeric_limits<std::int64_t>::max();

// The rules of a log, or of one flow. A rule that is not set: for a flow, the log's holds; for a
// log, there is none.
struct RetentionRules {
  // A run goes once its recordedAt lies further back. In milliseconds, above 0.
  std::optional<std::int64_t> max_age_ms;
  // The same for runs of one status. Of the rules that fit a run the first that is set decides: the
  // flow's for the status, the flow's, the log's for the status, the log's.
  std::array<std::optional<std::int64_t>, kRunStatusCount> max_age_by_status_ms;
  // The newest so many runs of a flow stay, in the order of their sequence numbers. At least 1.
  std::optional<std::int64_t> max_per_flow;
  // The newest so many runs of a flow do not go for their age. At least 0.
  std::optional<std::int64_t> min_per_flow;

  bool is_empty() const { return *this == RetentionRules(); }
  friend bool operator==(const RetentionRules&, const RetentionRules&) = default;
};

struct RetentionPolicy {
  RetentionRules all;
  // The oldest runs of the log go, whatever their flow, while the stored records of all visible runs
  // are larger together. No floor stands against this one. Above 0.
  std::optional<std::int64_t> max_bytes;
  std::map<std::string, RetentionRules, std::less<>> flows;  // by flow name
  // The directory to which runs that no rule keeps are written before they go for good (see
  // log/archive.h), an absolute path; empty: nowhere. It is made when the policy is set, and must be
  // there when runs go.
  std::string archive;

  // 30 days or 100 runs a flow, whichever comes first: what a new log gets.
  static RetentionPolicy standard();

  // What holds for one flow once the log's rules have filled the gaps; kNoLimit where nothing does
  // (0 for the floor).
  struct Resolved {
    std::array<std::int64_t, kRunStatusCount> max_age_ms;
    std::int64_t max_per_flow = kNoLimit;
    std::int64_t min_per_flow = 0;
  };
  Resolved resolve(std::string_view flow) const;

  // Whether any flow has a cap, an age, a floor.
  bool has_cap() const;
  bool has_age() const;
  bool has_floor() const;
  bool has_max_bytes() const { return max_bytes.value_or(kNoLimit) != kNoLimit; }
  bool has_any_limit() const { return has_cap() || has_age() || has_max_bytes(); }

  friend bool operator==(const RetentionPolicy&, const RetentionPolicy&) = default;
};

inline constexpr std::size_t kMaxPolicyFlows = 10'000;

// Errors: InvalidArgument (a limit that is negative or zero, a floor above its cap, too many flows;
// names the rule and the flow).
Expected<void> check_policy(const RetentionPolicy& policy);

// The stored form, see log/FORMAT.md.
std::vector<std::byte> encode_policy(const RetentionPolicy& policy);
// Errors: Corruption.
Expected<RetentionPolicy> decode_policy(std::span<const std::byte> bytes);

}  // namespace runlog
