// An array that grows without ever moving an element, so that readers hold no lock while its one
// writer appends. Chunks grow with the array, four to each doubling, so that at most a fifth of the
// memory is unused.
//
// The array itself publishes nothing: a reader may look at an element only if it learned of it
// through an acquire load that pairs with a release store made after grow().
#pragma once

#include <array>
#include <bit>
#include <cstddef>
#include <cstdint>
#include <memory>

namespace runlog {

template <typename T>
class ChunkedArray {
 public:
  // Makes room for element `index`, which must not be more than one above the last. Writer only.
  // Its content is T's default initialisation.
  T& grow(std::uint32_t index) {
    const Place place = place_of(index);
    if (chunks_[place.chunk] == nullptr) {
      chunks_[place.chunk].reset(new T[place.chunk_size]);
      allocated_ += place.chunk_size;
    }
    return chunks_[place.chunk][place.offset];
  }

  T& operator[](std::uint32_t index) {
    const Place place = place_of(index);
    return chunks_[place.chunk][place.offset];
  }
  const T& operator[](std::uint32_t index) const {
    const Place place = place_of(index);
    return chunks_[place.chunk][place.offset];
  }

  // Writer only.
  std::size_t allocated_bytes() const { return allocated_ * sizeof(T); }

 private:
  static constexpr unsigned kFirstBits = 9;  // the first four chunks hold 512 / 4 elements each

  struct Place {
    std::uint32_t chunk;
    std::uint32_t offset;
    std::uint32_t chunk_size;
  };
  // Shifted by 2^kFirstBits, every doubling [2^b, 2^(b+1)) is cut into four chunks of 2^(b−2).
  static Place place_of(std::uint32_t index) {
    const std::uint64_t shifted = std::uint64_t(index) + (1u << kFirstBits);
    const unsigned top = 63 - unsigned(std::countl_zero(shifted));
    const unsigned chunk_bits = top - 2;
    const std::uint32_t quarter = std::uint32_t(shifted >> chunk_bits) & 3;
    return {(top - kFirstBits) * 4 + quarter, std::uint32_t(shifted & ((1ull << chunk_bits) - 1)),
            1u << chunk_bits};
  }

  std::array<std::unique_ptr<T[]>, (33 - kFirstBits) * 4> chunks_;
  std::size_t allocated_ = 0;
};

}  // namespace runlog
