// Searching a sorted array of 64-bit numbers that are spread evenly over their range (hashes): the
// value tells its place, give or take a cache line or two.
#pragma once

#include <cstddef>
#include <cstdint>
#include <cstring>

namespace runlog {

class UniformArray {
 public:
  UniformArray(const std::byte* bytes, std::size_t size) : bytes_(bytes), size_(size) {}

  std::size_t size() const { return size_; }
  std::uint64_t operator[](std::size_t index) const {
    std::uint64_t value;
    std::memcpy(&value, bytes_ + 8 * index, sizeof value);
    return value;
  }

  // The first index whose value is >= `value`. Right for every sorted array, fast for an even one;
  // for an array that is not sorted, some index from 0 to size().
  std::size_t lower_bound(std::uint64_t value) const {
    if (size_ == 0) return 0;
    std::size_t guess = share(value);
    // One correction by the distance that is left brings most searches within a cache line.
    const std::uint64_t there = (*this)[guess];
    if (value > there) {
      const std::size_t step = share(value - there);
      guess = step < size_ - guess ? guess + step : size_ - 1;
    } else {
      const std::size_t step = share(there - value);
      guess = step < guess ? guess - step : 0;
    }
    return gallop(guess, value);
  }

 private:
  // What `distance` in values is in elements; below size_.
  std::size_t share(std::uint64_t distance) const {
    __extension__ using Wide = unsigned __int128;
    return std::size_t(Wide(distance) * size_ >> 64);
  }

  std::size_t gallop(std::size_t guess, std::uint64_t value) const {
    std::size_t low, high;  // everything before low is < value, everything from high on is >= value
    std::size_t step = 1;
    if ((*this)[guess] < value) {
      low = guess + 1;
      high = size_;
      while (low + step <= size_ && (*this)[low + step - 1] < value) {
        low += step;
        step *= 2;
      }
      if (low + step <= size_) high = low + step - 1;
    } else {
      low = 0;
      high = guess;
      while (high >= step && !((*this)[high - step] < value)) {
        high -= step;
        step *= 2;
      }
      if (high >= step) low = high - step + 1;
    }
    while (low < high) {
      const std::size_t middle = low + (high - low) / 2;
      if ((*this)[middle] < value) {
        low = middle + 1;
      } else {
        high = middle;
      }
    }
    return low;
  }

  const std::byte* bytes_;
  std::size_t size_;
};

}  // namespace runlog
