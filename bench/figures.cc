#include "bench/figures.h"

#include <unistd.h>

#include <algorithm>
#include <cstdio>

namespace runlog::bench {

std::string thousands(std::uint64_t count) {
  std::string digits = std::to_string(count);
  for (int i = int(digits.size()) - 3; i > 0; i -= 3) digits.insert(std::size_t(i), 1, ',');
  return digits;
}

void say(const std::string& what) {
  if (::isatty(STDERR_FILENO)) std::fprintf(stderr, "%s\n", what.c_str());
}

void generate(const Generator& generator, std::uint64_t first, std::uint64_t count,
              const std::function<void(std::span<const Run>)>& take) {
  constexpr std::uint64_t kPart = 10'000;
  RunBatch batch;
  for (std::uint64_t done = 0; done < count; done += kPart) {
    generator.fill(first + done, std::size_t(std::min(kPart, count - done)), batch);
    take(batch.runs);
    if (count >= 1'000'000 && (done + kPart) % 500'000 == 0)
      say("  " + std::to_string((done + kPart) / 1000) + " thousand runs stored");
  }
}

}  // namespace runlog::bench
