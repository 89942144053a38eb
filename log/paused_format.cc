#include "log/paused_format.h"

#include <cstring>
#include <type_traits>

#include <fmt/format.h>
#include <simdjson.h>

#include "log/body_compression.h"
#include "log/run_json.h"
#include "log/xxh.h"

namespace runlog {
namespace {

// Persistent: never renumber. Bits of EntryHead.flags.
enum EntryFlag : std::uint8_t { kCompressed = 1 << 0 };

// Followed by the owner, the JSON and the checksum of all that.
struct EntryHead {
  static constexpr std::uint32_t kMagic = 0x45504C52;  // "RLPE"
  std::uint32_t magic = kMagic;
  std::uint16_t version = 1;
  std::uint8_t state = 0;
  std::uint8_t flags = 0;
  std::uint64_t number = 0;
  SequenceNumber sequence = 0;
  UnixMs saved_at = 0;
  UnixMs claimed_at = 0;
  std::uint32_t owner_bytes = 0;
  std::uint32_t json_bytes = 0;
};
static_assert(sizeof(EntryHead) == 48 && std::is_trivially_copyable_v<EntryHead>);

constexpr std::size_t kChecksumBytes = 8;

RunJsonParser& json_parser() {
  thread_local RunJsonParser parser;
  return parser;
}

std::optional<std::string> own(const OptionalText& text) {
  return text ? std::optional<std::string>(*text) : std::nullopt;
}

void read_text(simdjson::dom::element object, const char* name, std::optional<std::string>& out) {
  std::string_view text;
  if (object[name].get_string().get(text) == simdjson::SUCCESS) out = std::string(text);
}

// The run that this one will be, as far as its context tells: the engine makes its terminal record
// from the same members.
void read_context(Text context_json, PausedRun& out) {
  thread_local simdjson::dom::parser parser;
  simdjson::dom::element context;
  if (context_json.empty() ||
      parser.parse(context_json.data(), context_json.size()).get(context) != simdjson::SUCCESS ||
      !context.is_object())
    return;
  read_text(context, "event", out.trigger_type);
  read_text(context, "object", out.trigger_object);
  read_text(context, "userId", out.user_id);
  read_text(context, "tenantId", out.organization_id);
  simdjson::dom::element record;
  if (context["record"].get(record) == simdjson::SUCCESS && record.is_object())
    read_text(record, "id", out.trigger_record_id);
}

void describe(const SuspendedRun& run, PausedRun& out) {
  out.run_id = run.run_id;
  out.flow_name = run.flow_name;
  out.id_hash = run_id_hash(run.run_id);
  out.flow_version = run.flow_version;
  out.node_id = own(run.node_id);
  out.correlation = own(run.correlation);
  out.started_at = run.started_at ? *run.started_at : run.start_time.value_or(out.saved_at);
  read_context(run.context_json, out);
}

Expected<void> check_name(std::string_view field, std::string_view name, std::size_t limit) {
  if (name.size() <= limit) return {};
  return fail(ErrorCode::TooLarge, fmt::format("field '{}' has {} bytes; the limit is {}", field,
                                               name.size(), limit));
}

Expected<void> check_names(const SuspendedRun& run, std::size_t limit) {
  if (run.run_id.empty() || run.flow_name.empty())
    return fail(ErrorCode::InvalidArgument,
                fmt::format("field '{}' is not a text of at least one character",
                            run.run_id.empty() ? "runId" : "flowName"));
  auto checked = check_name("runId", run.run_id, limit);
  if (checked) checked = check_name("flowName", run.flow_name, limit);
  if (checked && run.node_id) checked = check_name("nodeId", *run.node_id, limit);
  if (checked && run.correlation) checked = check_name("correlation", *run.correlation, limit);
  return checked;
}

bool is_sane(const EntryHead& head, std::size_t stored_bytes) {
  return head.magic == EntryHead::kMagic && head.version == 1 &&
         (head.state == std::uint8_t(PausedRun::State::kPaused) ||
          head.state == std::uint8_t(PausedRun::State::kRunning)) &&
         (head.flags & ~kCompressed) == 0 &&
         sizeof(EntryHead) + std::uint64_t(head.owner_bytes) + head.json_bytes + kChecksumBytes ==
             stored_bytes;
}

}  // namespace

Expected<PausedRun> make_paused_run(const SuspendedRun& run, UnixMs saved_at,
                                    std::size_t max_name_bytes) {
  if (auto checked = check_names(run, max_name_bytes); !checked)
    return tl::unexpected(checked.error());
  std::string json;
  write_json(run, json);
  // What is kept is the JSON, so it must be possible to read it again.
  TextArena arena;
  SuspendedRun again;
  if (auto parsed = json_parser().parse_suspended(json, arena, again); !parsed)
    return tl::unexpected(parsed.error());
  PausedRun out;
  out.saved_at = saved_at;
  describe(again, out);
  const auto raw = std::as_bytes(std::span(json));
  ByteWriter compressed;
  std::uint32_t dictionary = 0;
  out.is_compressed = compress_body(raw, nullptr, compressed, dictionary);
  if (out.is_compressed)
    out.json.assign(compressed.data(), compressed.data() + compressed.size());
  else
    out.json.assign(raw.begin(), raw.end());
  return out;
}

std::vector<std::byte> encode_paused_run(const PausedRun& run) {
  EntryHead head;
  head.state = std::uint8_t(run.state);
  head.flags = run.is_compressed ? kCompressed : 0;
  head.number = run.number;
  head.sequence = run.sequence;
  head.saved_at = run.saved_at;
  head.claimed_at = run.claimed_at;
  head.owner_bytes = std::uint32_t(run.owner.size());
  head.json_bytes = std::uint32_t(run.json.size());
  std::vector<std::byte> stored(sizeof head + run.owner.size() + run.json.size() + kChecksumBytes);
  std::byte* at = stored.data();
  const auto add = [&](const void* bytes, std::size_t count) {
    if (count != 0) std::memcpy(at, bytes, count);
    at += count;
  };
  add(&head, sizeof head);
  add(run.owner.data(), run.owner.size());
  add(run.json.data(), run.json.size());
  const std::uint64_t checksum = XXH3_64bits(stored.data(), stored.size() - kChecksumBytes);
  add(&checksum, sizeof checksum);
  return stored;
}

Expected<PausedRunPtr> decode_paused_run(std::uint64_t key, std::span<const std::byte> stored) {
  EntryHead head;
  std::uint64_t checksum = 0;
  if (stored.size() < sizeof head + kChecksumBytes)
    return fail(ErrorCode::Corruption, "it is too short");
  std::memcpy(static_cast<void*>(&head), stored.data(), sizeof head);
  std::memcpy(&checksum, stored.data() + stored.size() - kChecksumBytes, kChecksumBytes);
  if (checksum != XXH3_64bits(stored.data(), stored.size() - kChecksumBytes) ||
      !is_sane(head, stored.size()) || head.number != key - kPausedBase)
    return fail(ErrorCode::Corruption, "it fails its checksum");
  const auto run = std::make_shared<PausedRun>();
  run->number = head.number;
  run->state = PausedRun::State(head.state);
  run->sequence = head.sequence;
  run->saved_at = head.saved_at;
  run->claimed_at = head.claimed_at;
  run->is_compressed = (head.flags & kCompressed) != 0;
  const auto owner = stored.subspan(sizeof head, head.owner_bytes);
  run->owner.assign(reinterpret_cast<const char*>(owner.data()), owner.size());
  const auto json = stored.subspan(sizeof head + head.owner_bytes, head.json_bytes);
  run->json.assign(json.begin(), json.end());
  const auto suspended = run->suspended();
  if (!suspended) return tl::unexpected(suspended.error());
  describe(suspended->run, *run);
  return run;
}

Expected<OwnedSuspendedRun> PausedRun::suspended() const {
  OwnedSuspendedRun owned;
  owned.arena = std::make_unique<TextArena>();
  std::span<const std::byte> text = json;
  if (is_compressed) {
    const auto raw = decompress_body(json, 0, nullptr, *owned.arena);
    if (!raw) return tl::unexpected(raw.error());
    text = *raw;
  }
  auto parsed = json_parser().parse_suspended(
      {reinterpret_cast<const char*>(text.data()), text.size()}, *owned.arena, owned.run);
  if (!parsed)
    return fail(ErrorCode::Corruption,
                fmt::format("its JSON cannot be read: {}", parsed.error().message));
  return owned;
}

}  // namespace runlog
