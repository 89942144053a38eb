#include "log/body_compression.h"

#include <zstd.h>

#include <memory>

#include "log/dictionary.h"
#include "log/record_body.h"

namespace runlog {
namespace {

// A body that shrinks by less than this stays as it is: it is read more quickly.
constexpr std::size_t kWorthBytes = 8;

ZSTD_CCtx* compression_context() {
  thread_local const std::unique_ptr<ZSTD_CCtx, decltype(&ZSTD_freeCCtx)> context(
      ZSTD_createCCtx(), &ZSTD_freeCCtx);
  return context.get();
}

ZSTD_DCtx* decompression_context() {
  thread_local const std::unique_ptr<ZSTD_DCtx, decltype(&ZSTD_freeDCtx)> context(
      ZSTD_createDCtx(), &ZSTD_freeDCtx);
  return context.get();
}

}  // namespace

bool compress_body(std::span<const std::byte> body, const Dictionaries* dictionaries,
                   ByteWriter& out, std::uint32_t& dictionary) {
  dictionary = dictionaries != nullptr ? dictionaries->current() : 0;
  if (body.size() < (dictionary != 0 ? kCompressFromWithDictionary : kCompressFrom)) return false;
  out.clear();
  const std::size_t bound = ZSTD_compressBound(body.size());
  std::byte* room = out.skip(bound);
  const std::size_t size =
      dictionary != 0
          ? ZSTD_compress_usingCDict(compression_context(), room, bound, body.data(), body.size(),
                                     dictionaries->compressor(dictionary))
          : ZSTD_compressCCtx(compression_context(), room, bound, body.data(), body.size(),
                              kBodyCompressionLevel);
  if (ZSTD_isError(size) || size + kWorthBytes > body.size()) return false;
  out.shrink_to(size);
  return true;
}

Expected<std::uint64_t> decoded_body_bytes(std::span<const std::byte> record,
                                           SequenceNumber sequence) {
  const auto head = HeadView::open(record, sequence);
  if (!head) return tl::unexpected(head.error());
  HeadFields fields;
  if (!read_head(head->bytes(), fields))
    return fail(ErrorCode::Corruption, "the head's fields run past its end");
  const BodyPlace place = body_place(head->bytes(), fields);
  if (!place.compressed) return place.bytes;
  const auto stored = record.subspan(head->bytes().size(), place.bytes);
  const unsigned long long size = ZSTD_getFrameContentSize(stored.data(), stored.size());
  if (size == ZSTD_CONTENTSIZE_UNKNOWN || size == ZSTD_CONTENTSIZE_ERROR)
    return fail(ErrorCode::Corruption, "the body's frame says no size");
  return size;
}

Expected<std::span<const std::byte>> decompress_body(std::span<const std::byte> stored,
                                                     std::uint32_t dictionary,
                                                     const Dictionaries* dictionaries,
                                                     TextArena& arena) {
  const unsigned long long size = ZSTD_getFrameContentSize(stored.data(), stored.size());
  if (size == ZSTD_CONTENTSIZE_UNKNOWN || size == ZSTD_CONTENTSIZE_ERROR || size > kMaxBodyBytes) {
    return fail(ErrorCode::Corruption, "the body's frame says no size that a body can have");
  }
  const std::span<std::byte> room = arena.allocate(std::size_t(size));
  std::size_t read = 0;
  if (dictionary == 0) {
    read = ZSTD_decompressDCtx(decompression_context(), room.data(), room.size(), stored.data(),
                               stored.size());
  } else {
    const ZSTD_DDict* known =
        dictionaries != nullptr ? dictionaries->decompressor(dictionary) : nullptr;
    if (known == nullptr) {
      return fail(ErrorCode::Corruption, "the body needs dictionary " +
                                             std::to_string(dictionary) +
                                             ", which is not there");
    }
    read = ZSTD_decompress_usingDDict(decompression_context(), room.data(), room.size(),
                                      stored.data(), stored.size(), known);
  }
  if (ZSTD_isError(read) || read != size) {
    return fail(ErrorCode::Corruption, std::string("the body does not decompress: ") +
                                           (ZSTD_isError(read) ? ZSTD_getErrorName(read)
                                                               : "its size is another"));
  }
  return room;
}

}  // namespace runlog
