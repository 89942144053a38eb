// One line on a terminal that says how far a long command has come. On anything but a terminal it
// writes nothing, so that logs and pipes stay clean.
#pragma once

#include <chrono>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "server/console.h"

namespace runlog {

struct ProgressState {
  std::uint64_t items = 0;
  std::string_view item;                      // singular: "run"; empty: only bytes are counted
  std::uint64_t done_bytes = 0;
  std::optional<std::uint64_t> total_bytes;   // nullopt: nobody knows
  std::chrono::milliseconds elapsed{0};
};

// "importing  42 %  12,345 runs  230,000 runs/s  3 s left". Without a total there is no share and
// no remaining time.
std::string progress_text(std::string_view what, const ProgressState& state);

class Progress {
 public:
  // `what` and `item` must outlive it.
  Progress(Output& output, const Screen& screen, std::string_view what, std::string_view item);
  ~Progress() { clear(); }
  Progress(const Progress&) = delete;
  Progress& operator=(const Progress&) = delete;

  // Cheap; redraws at most ten times a second.
  void update(std::uint64_t items, std::uint64_t done_bytes,
              std::optional<std::uint64_t> total_bytes);
  // Takes the line away, so that something else can be written; the next update draws it again.
  void clear();

 private:
  using Clock = std::chrono::steady_clock;
  Output& output_;
  const Screen screen_;
  std::string_view what_, item_;
  Clock::time_point start_ = Clock::now(), drawn_at_{};
  bool drawn_ = false;
};

}  // namespace runlog
