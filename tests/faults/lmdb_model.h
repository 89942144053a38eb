// What the plain LMDB driver writes, so that a test can say what must be in its file: every
// transaction puts some entries, replaces some and removes some, as its number alone decides.
#pragma once

#include <cstdint>
#include <map>
#include <random>
#include <string>

namespace runlog::faults {

using LmdbContent = std::map<std::uint64_t, std::string>;

// Key 0 holds the number of the last transaction, so that content tells its own age.
inline void apply_transaction(LmdbContent& content, std::uint64_t number) {
  std::mt19937_64 random(number);
  for (int i = 0; i < 12; ++i) {
    const std::uint64_t key = 1 + random() % 200;
    // Some need overflow pages, so that freed runs of pages are used again.
    const std::size_t length = random() % 16 == 0 ? 3000 + random() % 9000 : random() % 300;
    if (random() % 4 == 0) {
      content.erase(key);
    } else {
      content[key] = std::string(length, static_cast<char>('a' + number % 26));
    }
  }
  content[0] = std::to_string(number);
}

}  // namespace runlog::faults
