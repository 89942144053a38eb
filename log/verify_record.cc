// The check of a whole record without decoding it: for those who copy records or hand them out.
#include "log/record.h"
#include "log/record_head.h"
#include "log/xxh.h"

namespace runlog {

Expected<std::span<const std::byte>> verify_record(std::span<const std::byte> bytes,
                                                   SequenceNumber sequence) {
  const auto head = HeadView::open(bytes, sequence);
  if (!head) return tl::unexpected(head.error());
  HeadFields fields;
  if (!read_head(head->bytes(), fields))
    return fail(ErrorCode::Corruption, "the head's fields run past its end");
  const BodyPlace body = body_place(head->bytes(), fields);
  const auto stored = bytes.subspan(head->bytes().size(), body.bytes);
  if (std::uint32_t(XXH3_64bits(stored.data(), stored.size())) != body.checksum)
    return fail(ErrorCode::Corruption, "the body's checksum does not match");
  return bytes.first(head->record_bytes());
}

}  // namespace runlog
