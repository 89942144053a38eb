#include "server/http/run_stream.h"

#include <fmt/format.h>

#include "server/follow_runs.h"

namespace runlog {
namespace {

using namespace std::chrono_literals;

// A commit costs nothing to notice, and people do not see a tenth of a second.
constexpr auto kLookEvery = 100ms;
constexpr std::uint64_t kHeartbeatMs = 15'000;

void write_event(const FollowedRun& run, std::string& out) {
  fmt::format_to(std::back_inserter(out), "id: {}\nevent: run\ndata: {}\n\n", run.sequence,
                 run.json);  // JSON of one line
}

}  // namespace

struct RunStream::Piece {
  Expected<FollowedRuns> found;
};

RunStream::RunStream(Connection& connection, std::shared_ptr<Log> log, Options options)
    : connection_(connection),
      log_(std::move(log)),
      options_(std::move(options)),
      last_(options_.after),
      sent_at_ms_(connection.loop().now_ms()),
      timer_(connection.loop(), [this] { look(); }) {
  timer_.start(0ms, kLookEvery);
}

RunStream::~RunStream() = default;

void RunStream::look() {
  if (is_reading_ || is_finished_ || connection_.is_congested()) return;
  if (!options_.may_go_on()) return finish();
  const auto snapshot = log_->snapshot();
  if (!snapshot) return finish();
  if ((*snapshot)->end > last_ + 1) return read_next(*snapshot);
  if (connection_.loop().now_ms() - sent_at_ms_ >= kHeartbeatMs) send(": still here\n\n");
}

void RunStream::read_next(std::shared_ptr<const Snapshot> snapshot) {
  is_reading_ = true;
  connection_.loop().work(
      [snapshot = std::move(snapshot), from = last_ + 1] {
        return Piece{follow_runs(*snapshot, {.from = from, .flows = {}})};
      },
      [this, connection = connection_.weak_from_this(),
       alive = std::weak_ptr<const bool>(alive_)](Piece piece) {
        if (connection.lock() && alive.lock()) on_read(std::move(piece));
      });
}

void RunStream::on_read(Piece piece) {
  is_reading_ = false;
  if (is_finished_) return;
  if (!piece.found) return finish();
  last_ = piece.found->next - 1;
  std::string events;
  for (const FollowedRun& run : piece.found->runs) write_event(run, events);
  send(events);
  look();
}

void RunStream::send(std::string_view text) {
  if (text.empty()) return;
  sent_at_ms_ = connection_.loop().now_ms();
  connection_.write(options_.in_chunks ? fmt::format("{:x}\r\n{}\r\n", text.size(), text)
                                       : std::string(text));
}

void RunStream::finish() {
  if (is_finished_) return;
  is_finished_ = true;
  timer_.stop();
  if (options_.in_chunks) connection_.write("0\r\n\r\n");
  connection_.close_after_writing();
}

}  // namespace runlog
