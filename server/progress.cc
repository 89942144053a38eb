#include "server/progress.h"

#include <algorithm>

#include <fmt/format.h>

#include "server/display_text.h"
#include "server/quantities.h"

namespace runlog {

constexpr std::chrono::milliseconds kRedrawEvery{100};

std::string progress_text(std::string_view what, const ProgressState& state) {
  std::string text(what);
  const double seconds = std::max(0.001, double(state.elapsed.count()) / 1000);
  const bool known = state.total_bytes && *state.total_bytes > 0;
  if (known) {
    const double share = std::min(1.0, double(state.done_bytes) / double(*state.total_bytes));
    text += fmt::format("  {:3.0f} %", 100 * share);
  }
  if (!state.item.empty()) {
    const auto rate = std::uint64_t(double(state.items) / seconds);
    text += fmt::format("  {}  {} {}s/s", count_of(state.items, state.item), format_count(rate),
                        state.item);
  } else {
    const auto rate = std::uint64_t(double(state.done_bytes) / seconds);
    text += fmt::format("  {}  {}/s", format_bytes(state.done_bytes), format_bytes(rate));
  }
  if (known && state.done_bytes > 0 && state.done_bytes <= *state.total_bytes) {
    const double left = seconds * double(*state.total_bytes - state.done_bytes) /
                        double(state.done_bytes);
    // Whole seconds: the digits below would only flicker.
    text += fmt::format("  {} left", left < 60 ? fmt::format("{:.0f} s", left)
                                               : format_duration(std::int64_t(left * 1000)));
  }
  return text;
}

Progress::Progress(Output& output, const Screen& screen, std::string_view what,
                   std::string_view item)
    : output_(output), screen_(screen), what_(what), item_(item) {}

void Progress::update(std::uint64_t items, std::uint64_t done_bytes,
                      std::optional<std::uint64_t> total_bytes) {
  if (!screen_.is_terminal()) return;
  const auto now = Clock::now();
  // The first tenth of a second shows nothing: what is done by then needs no progress.
  if (now - start_ < kRedrawEvery || now - drawn_at_ < kRedrawEvery) return;
  drawn_at_ = now;
  drawn_ = true;
  const auto elapsed = std::chrono::duration_cast<std::chrono::milliseconds>(now - start_);
  const std::string text =
      progress_text(what_, {items, item_, done_bytes, total_bytes, elapsed});
  // One column stays free: a full line makes some terminals wrap.
  output_.write(fmt::format("\r{}\x1b[K", cut_to_width(text, screen_.columns - 1, "")));
  static_cast<void>(output_.flush());
}

void Progress::clear() {
  if (!drawn_) return;
  output_.write("\r\x1b[K");
  static_cast<void>(output_.flush());
  drawn_ = false;
}

}  // namespace runlog
