// A posting reader over ordinals that were gathered beforehand: short lists, and the empty one.
#pragma once

#include <algorithm>
#include <cstddef>
#include <vector>

#include "index/index.h"

namespace runlog {

class VectorReader final : public PostingReader {
 public:
  // `ordinals` ascend.
  VectorReader(std::vector<Ordinal> ordinals, Direction direction)
      : ordinals_(std::move(ordinals)), newest_first_(direction == Direction::kNewestFirst) {
    if (newest_first_) std::reverse(ordinals_.begin(), ordinals_.end());
  }
  std::size_t next(std::span<Ordinal> out) override {
    const std::size_t take = std::min(out.size(), ordinals_.size() - at_);
    std::copy_n(ordinals_.begin() + std::ptrdiff_t(at_), take, out.begin());
    at_ += take;
    return take;
  }
  void skip_to(Ordinal bound) override {
    while (at_ < ordinals_.size() &&
           (newest_first_ ? ordinals_[at_] > bound : ordinals_[at_] < bound))
      ++at_;
  }

 private:
  std::vector<Ordinal> ordinals_;
  std::size_t at_ = 0;
  bool newest_first_;
};

}  // namespace runlog
