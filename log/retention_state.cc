#include "log/retention_state.h"

#include <algorithm>
#include <utility>

#include <fmt/format.h>

#include "log/record.h"
#include "log/state_entry.h"

namespace runlog {
namespace {

constexpr std::uint8_t kMarkVersion = 1;
constexpr std::uint8_t kForgottenVersion = 1;
constexpr std::size_t kMaxProblemBytes = 4096;

StateEntry set_entry(std::uint64_t key, const OrdinalSet& low_halves) {
  if (low_halves.is_empty()) return {key, {}};
  const auto bytes = low_halves.serialise();
  return checked_entry(key, bytes);
}

std::optional<RetentionMark> decode_mark(Bytes bytes) {
  ByteReader in(bytes.data(), bytes.size());
  const std::uint8_t version = in.byte();
  if (version != kMarkVersion || in.byte() != 0) return std::nullopt;
  RetentionMark mark;
  mark.hidden_to = in.varint();
  const std::uint64_t names_end = in.varint();
  mark.names_end = Symbol(std::min<std::uint64_t>(names_end, UINT32_MAX));
  mark.trusted_time = in.signed_varint();
  mark.jumped_to = in.signed_varint();
  if (in.failed() || in.left() != 0) return std::nullopt;
  return mark;
}

void encode_ascending(const std::vector<std::uint64_t>& numbers, ByteWriter& out) {
  out.varint(numbers.size());
  std::uint64_t before = 0;
  for (const std::uint64_t number : numbers) {
    out.varint(number - before);
    before = number;
  }
}

bool decode_ascending(ByteReader& in, std::vector<std::uint64_t>& out) {
  const std::uint64_t count = in.varint();
  if (count > in.left()) return false;
  std::uint64_t number = 0;
  for (std::uint64_t i = 0; i < count; ++i) {
    const std::uint64_t step = in.varint();
    if (in.failed() || step == 0 || step > UINT64_MAX - number) return false;
    out.push_back(number += step);
  }
  return true;
}

std::optional<ForgottenRuns> decode_forgotten(Bytes bytes) {
  ByteReader in(bytes.data(), bytes.size());
  if (in.byte() != kForgottenVersion) return std::nullopt;
  ForgottenRuns forgotten;
  if (!decode_ascending(in, forgotten.records) || !decode_ascending(in, forgotten.paused) ||
      in.left() != 0)
    return std::nullopt;
  return forgotten;
}

bool decode_pins(std::uint64_t key, Bytes bytes, std::vector<Pin>& out) {
  ByteReader in(bytes.data(), bytes.size());
  while (in.left() > 0) {
    Pin pin;
    pin.run_id = in.text();
    pin.reason = in.text();
    pin.pinned_at = in.signed_varint();
    if (const UnixMs until = in.signed_varint(); until != 0) pin.until = until;
    pin.sequence = in.varint();
    if (in.failed() || pin_key(pin.run_id) != key) return false;
    out.push_back(std::move(pin));
  }
  return true;
}

}  // namespace

std::uint64_t pin_key(std::string_view run_id) {
  return kPinKey | (run_id_hash(run_id) & ((1ull << 56) - 1));
}

Expected<bool> take_retention_entry(std::uint64_t key, Bytes value, StoredRetention& into) {
  const bool is_hidden = key >= kHiddenKey && key < kPinKey;
  const bool is_pin = key >= kPinKey && key < kRetentionKeysEnd;
  const bool is_withheld = key >= kWithheldKey && key < kWithheldKeysEnd;
  const bool is_single = key == kPolicyKey || key == kMarkKey || key == kForgetKey ||
                         key == kArchiveProblemKey;
  if (!is_single && !is_hidden && !is_pin && !is_withheld)
    return false;
  const auto content = checked_content(key, value);
  const auto damaged = [&](const char* what) {
    return fail(ErrorCode::Corruption, fmt::format("{} (entry {}) cannot be read", what, key));
  };
  if (key == kPolicyKey) {
    auto policy = content ? decode_policy(*content)
                          : fail(ErrorCode::Corruption, "the retention policy fails its checksum");
    if (!policy) return tl::unexpected(policy.error());
    into.policy = std::move(*policy);
  } else if (key == kMarkKey) {
    into.mark = content ? decode_mark(*content) : std::nullopt;
    if (!into.mark) return damaged("retention's mark");
  } else if (key == kForgetKey) {
    into.forgotten = content ? decode_forgotten(*content) : std::nullopt;
    if (!into.forgotten) return damaged("what a forget has begun");
  } else if (key == kArchiveProblemKey) {
    if (!content || content->size() > kMaxProblemBytes) return damaged("the archive's problem");
    into.archive_problem.assign(reinterpret_cast<const char*>(content->data()), content->size());
  } else if (is_hidden || is_withheld) {
    if (!content) return damaged("a set of hidden runs");
    auto set = OrdinalSet::deserialise(*content, 1u << kHiddenChunkBits);
    if (!set) return damaged("a set of hidden runs");
    if (is_hidden)
      into.hidden.insert_or_assign(key - kHiddenKey, std::move(*set));
    else
      into.withheld.insert_or_assign(key - kWithheldKey, std::move(*set));
  } else {
    if (!content || !decode_pins(key, *content, into.pins)) return damaged("a pin");
  }
  return true;
}

Expected<StoredRetention> load_retention(const Catalog& catalog) {
  StoredRetention stored;
  Expected<void> result;
  auto read = catalog.read_state([&](std::uint64_t key, Bytes value) {
    if (key >= kWithheldKeysEnd) return false;  // paused runs
    auto taken = take_retention_entry(key, value, stored);
    if (!taken)
      result = fail(ErrorCode::Corruption, fmt::format("'{}' is damaged: {}",
                                                       catalog.file().string(),
                                                       taken.error().message));
    return taken.has_value();
  });
  if (!read) return tl::unexpected(read.error());
  if (!result) return tl::unexpected(result.error());
  return stored;
}

StateEntry policy_entry(const RetentionPolicy& policy) {
  const auto bytes = encode_policy(policy);
  return checked_entry(kPolicyKey, bytes);
}

StateEntry mark_entry(const RetentionMark& mark) {
  ByteWriter out;
  out.byte(kMarkVersion);
  out.byte(0);
  out.varint(mark.hidden_to);
  out.varint(mark.names_end);
  out.signed_varint(mark.trusted_time);
  out.signed_varint(mark.jumped_to);
  return checked_entry(kMarkKey, out);
}

StateEntry forgotten_entry(const ForgottenRuns& forgotten) {
  ByteWriter out;
  out.byte(kForgottenVersion);
  encode_ascending(forgotten.records, out);
  encode_ascending(forgotten.paused, out);
  return checked_entry(kForgetKey, out);
}

StateEntry hidden_entry(std::uint64_t chunk, const OrdinalSet& low_halves) {
  return set_entry(kHiddenKey + chunk, low_halves);
}

StateEntry withheld_entry(std::uint64_t chunk, const OrdinalSet& low_halves) {
  return set_entry(kWithheldKey + chunk, low_halves);
}

StateEntry archive_problem_entry(const std::string& problem) {
  if (problem.empty()) return {kArchiveProblemKey, {}};
  const auto bytes = std::as_bytes(std::span(problem));
  return checked_entry(kArchiveProblemKey, bytes.first(std::min(bytes.size(), kMaxProblemBytes)));
}

StateEntry pin_entry(std::uint64_t key, std::span<const Pin* const> pins) {
  if (pins.empty()) return {key, {}};
  ByteWriter out;
  for (const Pin* pin : pins) {
    out.text(pin->run_id);
    out.text(pin->reason);
    out.signed_varint(pin->pinned_at);
    out.signed_varint(pin->until.value_or(0));
    out.varint(pin->sequence);
  }
  return checked_entry(key, out);
}

}  // namespace runlog
