// The posting list of one term in an active segment: ascending ordinals in append-only chunks, with
// a published length. One writer, any number of readers, no lock.
//
// Invariant: elements below `length` never change, and everything that is needed to reach them was
// written before `length` was stored.
#pragma once

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>
#include <vector>

#include "index/index.h"

namespace runlog {

// Where chunks come from: blocks that are freed together with the index.
class PostingArena {
 public:
  // `bytes` aligned to 8, not cleared. Writer only.
  std::byte* allocate(std::size_t bytes);
  // What is left of the current block.
  std::size_t room() const { return std::size_t(block_end_ - next_); }
  std::size_t allocated_bytes() const { return allocated_bytes_; }

 private:
  std::vector<std::unique_ptr<std::uint64_t[]>> blocks_;
  std::byte* next_ = nullptr;
  std::byte* block_end_ = nullptr;
  std::size_t allocated_bytes_ = 0;
};

struct PostingChunk {
  PostingChunk* previous;  // null in the first
  PostingChunk* next;      // set when the next one is made
  std::uint32_t start;     // index of the first value within the list
  std::uint32_t capacity;
  Ordinal values[1];  // really `capacity` of them
};

// A term and its list; 64 bytes, so that appending to it touches one cache line and the tail.
class PostingList {
 public:
  TermKey key;

  // Appends `ordinal`, unless it is the newest element already. Writer only.
  void append(Ordinal ordinal, PostingArena& arena) {
    const std::uint32_t length = length_.load(std::memory_order_relaxed);
    if (length != 0 && newest_ == ordinal) return;
    newest_ = ordinal;
    if (length < kInline) {
      inline_[length] = ordinal;
    } else {
      if (write_at_ == write_end_) add_chunk(length, arena);
      *write_at_++ = ordinal;
    }
    length_.store(length + 1, std::memory_order_release);
  }

  // How many of the list's ordinals are below `end`.
  std::uint32_t count_below(Ordinal end) const;
  std::unique_ptr<PostingReader> read(Ordinal end, Direction direction) const;
  // Calls visit(span) for the list's ordinals below `end` in ascending order.
  template <typename Visit>
  void for_each_span(Ordinal end, Visit&& visit) const {
    const std::uint32_t count = count_below(end);
    const PostingChunk* chunk = nullptr;
    for (std::uint32_t done = 0; done < count;) {
      const std::span<const Ordinal> part = part_of(chunk, count);
      visit(part);
      done += std::uint32_t(part.size());
      if (done < count) chunk = after(chunk);
    }
  }

  // The parts of a list: first the elements in the struct itself (a null chunk), then each chunk.
  // Valid for readers that know `count` elements to be published.
  std::span<const Ordinal> part_of(const PostingChunk* chunk, std::uint32_t count) const {
    if (chunk == nullptr) return {inline_, count < kInline ? count : kInline};
    const std::uint32_t left = count - chunk->start;
    return {chunk->values, left < chunk->capacity ? left : chunk->capacity};
  }
  const PostingChunk* after(const PostingChunk* chunk) const {
    return chunk == nullptr ? first_ : chunk->next;
  }

  // The part that holds the newest element below `end`, and the number of elements up to it.
  struct End {
    const PostingChunk* chunk = nullptr;
    std::uint32_t count = 0;
  };
  End find_end(Ordinal end) const;

 private:
  static constexpr std::uint32_t kInline = 4;

  void add_chunk(std::uint32_t length, PostingArena& arena);

  std::atomic<std::uint32_t> length_{0};
  Ordinal newest_ = 0;  // writer only
  std::atomic<PostingChunk*> tail_{nullptr};
  PostingChunk* first_ = nullptr;
  Ordinal* write_at_ = nullptr;   // writer only
  Ordinal* write_end_ = nullptr;  // writer only
  Ordinal inline_[kInline];
};
static_assert(sizeof(PostingList) == 64);

}  // namespace runlog
