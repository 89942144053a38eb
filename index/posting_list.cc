#include "index/posting_list.h"

#include <algorithm>

namespace runlog {
namespace {

constexpr std::size_t kFirstBlockBytes = 16u << 10;
constexpr std::size_t kBlockBytes = 1u << 20;
constexpr std::size_t kChunkHeaderBytes = offsetof(PostingChunk, values);
constexpr std::uint32_t kMinCapacity = 6;
constexpr std::uint32_t kMaxCapacity = 1u << 14;
// A rest of a block that is smaller is not worth a chunk.
constexpr std::uint32_t kWorthwhileCapacity = 256;

std::size_t chunk_bytes(std::uint32_t capacity) {
  return kChunkHeaderBytes + capacity * sizeof(Ordinal);
}

// Walks from the newest of `count` elements to the oldest.
class NewestFirstOfList final : public PostingReader {
 public:
  NewestFirstOfList(const PostingList& list, Ordinal end) : list_(list) {
    const PostingList::End found = list.find_end(end);
    chunk_ = found.chunk;
    rest_ = list.part_of(chunk_, found.count);
  }

  std::size_t next(std::span<Ordinal> out) override {
    std::size_t filled = 0;
    while (filled < out.size() && has_rest()) {
      const std::size_t take = std::min(out.size() - filled, rest_.size());
      const Ordinal* from = rest_.data() + rest_.size();
      for (std::size_t i = 0; i < take; ++i) out[filled + i] = *--from;
      filled += take;
      rest_ = rest_.first(rest_.size() - take);
    }
    return filled;
  }

  void skip_to(Ordinal bound) override {
    while (has_rest() && rest_.front() > bound) rest_ = {};
    const auto above = std::upper_bound(rest_.begin(), rest_.end(), bound);
    rest_ = rest_.first(std::size_t(above - rest_.begin()));
  }

 private:
  // Moves to the part before when this one is used up.
  bool has_rest() {
    if (!rest_.empty()) return true;
    if (chunk_ == nullptr) return false;
    const std::uint32_t count = chunk_->start;
    chunk_ = chunk_->previous;
    rest_ = list_.part_of(chunk_, count);
    return !rest_.empty();
  }

  const PostingList& list_;
  const PostingChunk* chunk_;
  std::span<const Ordinal> rest_;
};

class OldestFirstOfList final : public PostingReader {
 public:
  OldestFirstOfList(const PostingList& list, Ordinal end)
      : list_(list), count_(list.count_below(end)), rest_(list.part_of(nullptr, count_)) {
    reached_ = std::uint32_t(rest_.size());
  }

  std::size_t next(std::span<Ordinal> out) override {
    std::size_t filled = 0;
    while (filled < out.size() && has_rest()) {
      const std::size_t take = std::min(out.size() - filled, rest_.size());
      std::copy_n(rest_.begin(), take, out.begin() + std::ptrdiff_t(filled));
      filled += take;
      rest_ = rest_.subspan(take);
    }
    return filled;
  }

  void skip_to(Ordinal bound) override {
    while (has_rest() && rest_.back() < bound) rest_ = {};
    const auto at = std::lower_bound(rest_.begin(), rest_.end(), bound);
    rest_ = rest_.subspan(std::size_t(at - rest_.begin()));
  }

 private:
  bool has_rest() {
    if (!rest_.empty()) return true;
    if (reached_ == count_) return false;
    chunk_ = list_.after(chunk_);
    rest_ = list_.part_of(chunk_, count_);
    reached_ += std::uint32_t(rest_.size());
    return true;
  }

  const PostingList& list_;
  std::uint32_t count_;
  const PostingChunk* chunk_ = nullptr;
  std::span<const Ordinal> rest_;
  std::uint32_t reached_ = 0;  // elements up to the end of the current part
};

}  // namespace

std::byte* PostingArena::allocate(std::size_t bytes) {
  bytes = (bytes + 7) & ~std::size_t(7);
  if (bytes > room()) {
    const std::size_t block =
        std::max(bytes, std::clamp(allocated_bytes_ / 4, kFirstBlockBytes, kBlockBytes)) &
        ~std::size_t(7);
    blocks_.emplace_back(new std::uint64_t[block / 8]);
    next_ = reinterpret_cast<std::byte*>(blocks_.back().get());
    block_end_ = next_ + block;
    allocated_bytes_ += block;
  }
  std::byte* result = next_;
  next_ += bytes;
  return result;
}

void PostingList::add_chunk(std::uint32_t length, PostingArena& arena) {
  std::uint32_t capacity = std::clamp(length / 4, kMinCapacity, kMaxCapacity) & ~1u;
  if (chunk_bytes(capacity) > arena.room() && chunk_bytes(kWorthwhileCapacity) <= arena.room()) {
    // The rest of a block serves as a smaller chunk.
    capacity = std::uint32_t((arena.room() - kChunkHeaderBytes) / sizeof(Ordinal)) & ~1u;
  }
  auto* chunk = reinterpret_cast<PostingChunk*>(arena.allocate(chunk_bytes(capacity)));
  PostingChunk* previous = tail_.load(std::memory_order_relaxed);
  chunk->previous = previous;
  chunk->next = nullptr;
  chunk->start = length;
  chunk->capacity = capacity;
  (previous == nullptr ? first_ : previous->next) = chunk;
  write_at_ = chunk->values;
  write_end_ = chunk->values + capacity;
  tail_.store(chunk, std::memory_order_release);
}

PostingList::End PostingList::find_end(Ordinal end) const {
  const std::uint32_t length = length_.load(std::memory_order_acquire);
  const PostingChunk* chunk = tail_.load(std::memory_order_acquire);
  // The tail may be newer than `length`.
  while (chunk != nullptr && (chunk->start >= length || chunk->values[0] >= end))
    chunk = chunk->previous;
  const std::span<const Ordinal> part = part_of(chunk, length);
  const auto at = std::lower_bound(part.begin(), part.end(), end);
  const std::uint32_t start = chunk == nullptr ? 0 : chunk->start;
  return {chunk, start + std::uint32_t(at - part.begin())};
}

std::uint32_t PostingList::count_below(Ordinal end) const { return find_end(end).count; }

std::unique_ptr<PostingReader> PostingList::read(Ordinal end, Direction direction) const {
  if (direction == Direction::kNewestFirst) return std::make_unique<NewestFirstOfList>(*this, end);
  return std::make_unique<OldestFirstOfList>(*this, end);
}

}  // namespace runlog
