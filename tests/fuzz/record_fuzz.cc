// Decodes arbitrary bytes as a record: as they are, and again with their checksums put right, so
// that what lies behind the checksums is reached.
#include <cstdlib>

#include "log/record.h"
#include "log/xxh.h"

namespace {

using namespace runlog;

// Names for the symbols that small numbers name, of every kind.
const NameTable& fuzz_names() {
  static NameTable names;
  static const bool is_filled = [] {
    std::array<char, kMaxShapeBytes> buffer;
    const std::string_view shape = *shape_name({"node", "type", std::nullopt}, buffer);
    for (unsigned round = 0; round < 5; ++round) {
      for (unsigned kind = 1; kind <= 12; ++kind) {
        const NameKind of = NameKind(kind);
        const bool is_shape = of == NameKind::kStepShape || of == NameKind::kGate;
        const std::string name = "key=" + std::to_string(round);
        (void)names.intern(of, is_shape ? shape : std::string_view(name));
      }
    }
    return true;
  }();
  (void)is_filled;
  return names;
}

void read_all(std::span<const std::byte> record) {
  const Expected<HeadView> head = HeadView::open(record, 1);
  if (head) {
    RunHead shown;
    (void)decode_head(*head, 1, fuzz_names(), shown);
    std::vector<TermKey> terms;
    head->terms(terms);
    std::string text;
    head->append_run_id(text);
    (void)head->numbers();
    (void)head->error_message();
    (void)head->matches(TermKind::kLabel, "key=1", fuzz_names());
    (void)head->matches_record("key=1", "x", fuzz_names());
  }
  TextArena arena;
  Run run;
  (void)decode_run(record, 1, fuzz_names(), nullptr, arena, run);
}

template <typename T>
T load(const std::vector<std::byte>& bytes, std::size_t at) {
  T value;
  std::memcpy(&value, bytes.data() + at, sizeof value);
  return value;
}

// Lengths, version and checksums as an encoder would have set them.
void put_right(std::vector<std::byte>& record) {
  const std::size_t head = std::min<std::size_t>(load<std::uint16_t>(record, 4), record.size());
  const std::uint16_t head_bytes = std::uint16_t(std::max<std::size_t>(head, 36));
  std::memcpy(record.data() + 4, &head_bytes, 2);
  record[6] = std::byte(1);
  while (record.size() % 8 != 0) record.push_back(std::byte());
  const std::uint32_t body = std::uint32_t(record.size() - head_bytes);
  const std::uint32_t checksum = std::uint32_t(XXH3_64bits(record.data() + head_bytes, body));
  std::memcpy(record.data() + 8, &body, 4);
  std::memcpy(record.data() + 12, &checksum, 4);
  finish_record(record, 1, 0, 0);
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* input, std::size_t size) {
  std::vector<std::byte> record(size);
  if (size > 0) std::memcpy(record.data(), input, size);
  read_all(record);
  if (size < 40) return 0;
  put_right(record);
  read_all(record);
  return 0;
}
