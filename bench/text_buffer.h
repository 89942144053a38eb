// Text with one lifetime: pieces are copied in, keep their address, and all go at once. Generated
// runs and what peers decode borrow from it; clearing keeps the memory, so that a timed loop pays
// for copying and not for malloc.
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstring>
#include <memory>
#include <string_view>
#include <vector>

namespace runlog::bench {

class TextBuffer {
 public:
  // Room for `bytes`, which the caller writes at once.
  char* reserve(std::size_t bytes) {
    while (current_ < chunks_.size() && chunks_[current_].size - used_ < bytes) {
      ++current_;
      used_ = 0;
    }
    if (current_ == chunks_.size()) {
      const std::size_t size = std::max<std::size_t>(bytes, kChunkBytes);
      chunks_.push_back({std::make_unique<char[]>(size), size});
      used_ = 0;
    }
    char* place = chunks_[current_].bytes.get() + used_;
    used_ += bytes;
    return place;
  }

  std::string_view keep(std::string_view text) {
    if (text.empty()) return {};
    char* place = reserve(text.size());
    std::memcpy(place, text.data(), text.size());
    return {place, text.size()};
  }

  // Everything that was kept becomes invalid.
  void clear() {
    current_ = 0;
    used_ = 0;
  }

 private:
  static constexpr std::size_t kChunkBytes = 64 << 10;
  struct Chunk {
    std::unique_ptr<char[]> bytes;
    std::size_t size;
  };
  std::vector<Chunk> chunks_;
  std::size_t current_ = 0;
  std::size_t used_ = 0;
};

}  // namespace runlog::bench
