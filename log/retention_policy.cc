#include "log/retention_policy.h"

#include <algorithm>
#include <initializer_list>

#include <fmt/format.h>

#include "log/record.h"
#include "log/varint.h"

namespace runlog {
namespace {

// Version 2 has an archive, which a program that does not know of it must not pass over.
constexpr std::uint8_t kPolicyVersion = 1, kPolicyVersionWithArchive = 2;
constexpr std::size_t kMaxArchivePathBytes = 4095;  // what Linux takes

// Calls `visit` with each rule in the order of their stored form.
template <typename Rules, typename Visit>
void for_each_rule(Rules& rules, Visit&& visit) {
  visit(rules.max_age_ms);
  visit(rules.max_per_flow);
  visit(rules.min_per_flow);
  for (auto& age : rules.max_age_by_status_ms) visit(age);
}

template <typename Test>
bool any_rules(const RetentionPolicy& policy, Test&& test) {
  return test(policy.all) ||
         std::any_of(policy.flows.begin(), policy.flows.end(),
                     [&](const auto& flow) { return test(flow.second); });
}

bool limits(const std::optional<std::int64_t>& rule) {
  return rule.value_or(kNoLimit) != kNoLimit;
}

Expected<void> check_rule(const std::optional<std::int64_t>& rule, std::int64_t least,
                          const char* name, const std::string& whose) {
  if (!rule || *rule >= least) return {};
  return fail(ErrorCode::InvalidArgument,
              fmt::format("the {} {} is {}; it must be at least {}, or none", name, whose, *rule,
                          least));
}

Expected<void> check_rules(const RetentionRules& rules, const std::string& whose) {
  auto good = check_rule(rules.max_age_ms, 1, "maximum age in milliseconds", whose);
  for (const auto& age : rules.max_age_by_status_ms)
    if (good) good = check_rule(age, 1, "maximum age of a status in milliseconds", whose);
  if (good) good = check_rule(rules.max_per_flow, 1, "maximum of runs a flow", whose);
  if (good) good = check_rule(rules.min_per_flow, 0, "minimum of runs a flow", whose);
  return good;
}

Expected<void> check_floor(const RetentionPolicy::Resolved& rules, const std::string& whose) {
  if (rules.min_per_flow <= rules.max_per_flow) return {};
  return fail(ErrorCode::InvalidArgument,
              fmt::format("the minimum of runs a flow {} is {}, above the maximum of {}", whose,
                          rules.min_per_flow, rules.max_per_flow));
}

void write_rules(const RetentionRules& rules, ByteWriter& out) {
  std::uint8_t set = 0;
  unsigned bit = 0;
  for_each_rule(rules, [&](const auto& rule) { set |= std::uint8_t(rule.has_value() << bit++); });
  out.byte(set);
  for_each_rule(rules, [&](const auto& rule) {
    if (rule) out.varint(*rule == kNoLimit ? 0 : std::uint64_t(*rule) + 1);
  });
}

RetentionRules read_rules(ByteReader& in) {
  RetentionRules rules;
  const std::uint8_t set = in.byte();
  unsigned bit = 0;
  for_each_rule(rules, [&](auto& rule) {
    if ((set >> bit++ & 1) == 0) return;
    const std::uint64_t value = in.varint();
    rule = value == 0 || value > std::uint64_t(kNoLimit) ? kNoLimit : std::int64_t(value - 1);
  });
  return rules;
}

}  // namespace

RetentionPolicy RetentionPolicy::standard() {
  RetentionPolicy policy;
  policy.all.max_age_ms = 30ll * 24 * 3'600'000;
  policy.all.max_per_flow = 100;
  return policy;
}

RetentionPolicy::Resolved RetentionPolicy::resolve(std::string_view flow) const {
  static const RetentionRules kNothing;
  const auto found = flows.find(flow);
  const RetentionRules& own = found == flows.end() ? kNothing : found->second;
  using Rule = std::optional<std::int64_t>;
  const auto first = [](std::initializer_list<Rule> rules) {
    for (const Rule& rule : rules)
      if (rule) return *rule;
    return kNoLimit;
  };
  Resolved out;
  for (std::size_t status = 0; status < kRunStatusCount; ++status)
    out.max_age_ms[status] = first({own.max_age_by_status_ms[status], own.max_age_ms,
                                    all.max_age_by_status_ms[status], all.max_age_ms});
  out.max_per_flow = first({own.max_per_flow, all.max_per_flow});
  const std::int64_t floor = first({own.min_per_flow, all.min_per_flow});
  out.min_per_flow = floor == kNoLimit ? 0 : floor;
  return out;
}

bool RetentionPolicy::has_cap() const {
  return any_rules(*this, [](const RetentionRules& rules) { return limits(rules.max_per_flow); });
}

bool RetentionPolicy::has_age() const {
  return any_rules(*this, [](const RetentionRules& rules) {
    return limits(rules.max_age_ms) ||
           std::any_of(rules.max_age_by_status_ms.begin(), rules.max_age_by_status_ms.end(),
                       [](const auto& age) { return limits(age); });
  });
}

bool RetentionPolicy::has_floor() const {
  return any_rules(*this, [](const RetentionRules& rules) {
    return limits(rules.min_per_flow) && *rules.min_per_flow > 0;
  });
}

Expected<void> check_policy(const RetentionPolicy& policy) {
  if (policy.flows.size() > kMaxPolicyFlows)
    return fail(ErrorCode::InvalidArgument,
                fmt::format("{} flows have rules of their own; {} may", policy.flows.size(),
                            kMaxPolicyFlows));
  if (!policy.archive.empty() &&
      (policy.archive.front() != '/' || policy.archive.size() > kMaxArchivePathBytes ||
       policy.archive.find('\0') != std::string::npos))
    return fail(ErrorCode::InvalidArgument,
                fmt::format("the archive is a path of {} bytes; it must be an absolute one of at "
                            "most {}", policy.archive.size(), kMaxArchivePathBytes));
  auto good = check_rules(policy.all, "of the log");
  if (good) good = check_rule(policy.max_bytes, 1, "maximum of bytes", "of the log");
  // A name that no run has is checked too: it meets the log's rules alone.
  if (good) good = check_floor(policy.resolve({}), "of the log");
  for (const auto& [flow, rules] : policy.flows) {
    if (!good) break;
    const std::string whose = fmt::format("of the flow '{}'", flow);
    if (flow.empty() || flow.size() > RunLimits().max_name_bytes)
      return fail(ErrorCode::InvalidArgument,
                  fmt::format("rules stand for a flow name of {} bytes; it must have 1 to {}",
                              flow.size(), RunLimits().max_name_bytes));
    good = check_rules(rules, whose);
    if (good) good = check_floor(policy.resolve(flow), whose);
  }
  return good;
}

std::vector<std::byte> encode_policy(const RetentionPolicy& policy) {
  ByteWriter out;
  out.byte(policy.archive.empty() ? kPolicyVersion : kPolicyVersionWithArchive);
  out.byte(0);
  write_rules(policy.all, out);
  const std::int64_t most = policy.max_bytes.value_or(kNoLimit);
  out.varint(most == kNoLimit ? 0 : std::uint64_t(most) + 1);
  out.varint(policy.flows.size());
  for (const auto& [flow, rules] : policy.flows) {
    out.text(flow);
    write_rules(rules, out);
  }
  if (!policy.archive.empty()) out.text(policy.archive);
  return {out.data(), out.data() + out.size()};
}

Expected<RetentionPolicy> decode_policy(std::span<const std::byte> bytes) {
  ByteReader in(bytes.data(), bytes.size());
  RetentionPolicy policy;
  const std::uint8_t version = in.byte();
  if ((version != kPolicyVersion && version != kPolicyVersionWithArchive) || in.byte() != 0)
    return fail(ErrorCode::Corruption,
                fmt::format("the retention policy has version {}, and this program reads {} and {}",
                            version, kPolicyVersion, kPolicyVersionWithArchive));
  policy.all = read_rules(in);
  if (const std::uint64_t most = in.varint(); most != 0)
    policy.max_bytes = std::int64_t(std::min(most - 1, std::uint64_t(kNoLimit)));
  const std::uint64_t flows = in.varint();
  for (std::uint64_t i = 0; i < flows && i <= kMaxPolicyFlows && !in.failed(); ++i) {
    std::string flow(in.text());
    policy.flows[std::move(flow)] = read_rules(in);
  }
  if (version == kPolicyVersionWithArchive) policy.archive = in.text();
  if (in.failed() || in.left() != 0 || !check_policy(policy))
    return fail(ErrorCode::Corruption, "the retention policy cannot be read");
  return policy;
}

}  // namespace runlog
