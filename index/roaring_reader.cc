#include "index/roaring_reader.h"

#include <algorithm>
#include <bit>

namespace runlog {
namespace {

constexpr std::uint32_t kLastLow = 0xFFFF;
constexpr std::uint32_t kBitsetWords = kBitsetBytes / 8;

class NewestFirstOfRoaring final : public PostingReader {
 public:
  NewestFirstOfRoaring(const RoaringView& view, Ordinal end)
      : view_(view), containers_left_(view.containers()), ceiling_(end) {
    if (end == 0) {
      containers_left_ = 0;
    } else {
      seek(end - 1);
    }
  }

  std::size_t next(std::span<Ordinal> out) override {
    std::size_t filled = 0;
    while (filled < out.size()) {
      filled +=
          current_.is_bitset() ? take_bits(out.subspan(filled)) : take_values(out.subspan(filled));
      if (filled < out.size() && !enter_older(kLastLow)) break;
    }
    return filled;
  }

  void skip_to(Ordinal bound) override {
    if (bound < ceiling_) seek(bound);
  }

 private:
  // Moves to the newest ordinal <= `bound`, which must not be newer than where the reader is.
  void seek(Ordinal bound) {
    if (current_.values != nullptr && current_.first <= bound) {
      if (bound - current_.first <= kLastLow) restrict_to(bound - current_.first);
      return;
    }
    while (containers_left_ > 0) {
      const Ordinal first = view_.container(containers_left_ - 1).first;
      if (first <= bound) {
        enter_older(std::min(bound - first, kLastLow));
        return;
      }
      --containers_left_;
    }
    current_ = {};
    values_left_ = 0;
  }

  bool enter_older(std::uint32_t low) {
    if (containers_left_ == 0) {
      current_ = {};
      values_left_ = 0;
      return false;
    }
    current_ = view_.container(--containers_left_);
    values_left_ = current_.cardinality;
    word_index_ = kBitsetWords;
    word_ = 0;
    restrict_to(low);
    return true;
  }

  // Leaves out what is above `low` in the current container.
  void restrict_to(std::uint32_t low) {
    if (!current_.is_bitset()) {
      if (low < kLastLow)
        values_left_ = std::min(values_left_, current_.array_lower_bound(low + 1));
      return;
    }
    const std::uint32_t index = low / 64;
    if (index > word_index_) return;
    if (index < word_index_) word_ = current_.bitset_word(index);
    word_index_ = index;
    word_ &= ~0ull >> (63 - low % 64);
  }

  std::size_t take_values(std::span<Ordinal> out) {
    std::size_t filled = 0;
    while (filled < out.size() && values_left_ > 0) {
      const Ordinal ordinal = current_.first | current_.array_value(--values_left_);
      if (ordinal >= ceiling_) return end_here(filled);
      ceiling_ = ordinal;
      out[filled++] = ordinal;
    }
    return filled;
  }

  std::size_t take_bits(std::span<Ordinal> out) {
    std::size_t filled = 0;
    while (filled < out.size()) {
      while (word_ == 0) {
        if (word_index_ == 0) return filled;
        word_ = current_.bitset_word(--word_index_);
      }
      const unsigned bit = 63 - unsigned(std::countl_zero(word_));
      word_ &= ~(1ull << bit);
      const Ordinal ordinal = current_.first | (word_index_ * 64 + bit);
      if (ordinal >= ceiling_) return end_here(filled);
      ceiling_ = ordinal;
      out[filled++] = ordinal;
    }
    return filled;
  }

  std::size_t end_here(std::size_t filled) {
    containers_left_ = 0;
    values_left_ = 0;
    word_ = 0;
    word_index_ = 0;
    return filled;
  }

  RoaringView view_;
  std::uint32_t containers_left_;  // those older than the current one
  RoaringView::Container current_;
  std::uint32_t values_left_ = 0;  // of an array
  std::uint32_t word_index_ = 0;   // of a bitset: the word that `word_` is the rest of
  std::uint64_t word_ = 0;
  Ordinal ceiling_;  // the next ordinal must be below
};

class OldestFirstOfRoaring final : public PostingReader {
 public:
  OldestFirstOfRoaring(const RoaringView& view, Ordinal end) : view_(view), end_(end) {
    enter_newer(0);
  }

  std::size_t next(std::span<Ordinal> out) override {
    std::size_t filled = 0;
    while (filled < out.size()) {
      filled +=
          current_.is_bitset() ? take_bits(out.subspan(filled)) : take_values(out.subspan(filled));
      if (filled < out.size() && !enter_newer(0)) break;
    }
    return filled;
  }

  void skip_to(Ordinal bound) override {
    if (bound <= floor_) return;
    while (current_.values != nullptr && (current_.first | kLastLow) < bound)
      if (!enter_newer(0)) return;
    if (current_.values != nullptr && bound > current_.first) restrict_to(bound - current_.first);
  }

 private:
  bool enter_newer(std::uint32_t low) {
    if (next_container_ == view_.containers()) {
      current_ = {};
      value_ = 0;
      word_ = 0;
      word_index_ = kBitsetWords;
      return false;
    }
    current_ = view_.container(next_container_++);
    value_ = 0;
    word_index_ = 0;
    word_ = current_.is_bitset() ? current_.bitset_word(0) : 0;
    restrict_to(low);
    return true;
  }

  // Leaves out what is below `low` in the current container.
  void restrict_to(std::uint32_t low) {
    if (!current_.is_bitset()) {
      if (low > 0) value_ = std::max(value_, current_.array_lower_bound(low));
      return;
    }
    const std::uint32_t index = low / 64;
    if (index < word_index_) return;
    if (index > word_index_) word_ = current_.bitset_word(index);
    word_index_ = index;
    word_ &= ~0ull << low % 64;
  }

  std::size_t take_values(std::span<Ordinal> out) {
    std::size_t filled = 0;
    while (filled < out.size() && value_ < current_.cardinality) {
      const Ordinal ordinal = current_.first | current_.array_value(value_++);
      if (ordinal < floor_ || ordinal >= end_) return end_here(filled);
      floor_ = ordinal + 1;
      out[filled++] = ordinal;
    }
    return filled;
  }

  std::size_t take_bits(std::span<Ordinal> out) {
    std::size_t filled = 0;
    while (filled < out.size()) {
      while (word_ == 0) {
        if (word_index_ + 1 >= kBitsetWords) return filled;
        word_ = current_.bitset_word(++word_index_);
      }
      const unsigned bit = unsigned(std::countr_zero(word_));
      word_ &= word_ - 1;
      const Ordinal ordinal = current_.first | (word_index_ * 64 + bit);
      if (ordinal < floor_ || ordinal >= end_) return end_here(filled);
      floor_ = ordinal + 1;
      out[filled++] = ordinal;
    }
    return filled;
  }

  std::size_t end_here(std::size_t filled) {
    next_container_ = view_.containers();
    value_ = current_.cardinality;
    word_ = 0;
    word_index_ = kBitsetWords;
    return filled;
  }

  RoaringView view_;
  std::uint32_t next_container_ = 0;
  RoaringView::Container current_;
  std::uint32_t value_ = 0;       // of an array: the next index
  std::uint32_t word_index_ = 0;  // of a bitset: the word that `word_` is the rest of
  std::uint64_t word_ = 0;
  Ordinal end_;
  Ordinal floor_ = 0;  // the next ordinal must not be below
};

}  // namespace

std::unique_ptr<PostingReader> read_roaring(const RoaringView& view, Ordinal end,
                                            Direction direction) {
  if (direction == Direction::kNewestFirst) return std::make_unique<NewestFirstOfRoaring>(view, end);
  return std::make_unique<OldestFirstOfRoaring>(view, end);
}

}  // namespace runlog
