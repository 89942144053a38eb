#include "server/http/run_stream.h"

#include <fmt/format.h>

#include "server/http/http_response.h"

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

RunStream::RunStream(Connection& connection, Tenants& tenants, Options options)
    : connection_(connection),
      tenants_(tenants),
      options_(std::move(options)),
      last_(options_.after),
      sent_at_ms_(connection.loop().now_ms()),
      timer_(connection.loop(), [this] { look(); }) {
  timer_.start(0ms, kLookEvery);
}

RunStream::~RunStream() = default;

void RunStream::look() {
  if (is_reading_ || is_finished_) return;
  if (connection_.is_congested()) {
    has_read_all_ = false;  // by the time it is not, the log may be closed and tell no news
    return;
  }
  if (!options_.may_go_on()) return finish();
  if (!has_read_all_ || has_news(tenants_, options_.tenant, last_ + 1)) return read_next();
  if (connection_.loop().now_ms() - sent_at_ms_ >= kHeartbeatMs) send(": still here\n\n");
}

void RunStream::read_next() {
  is_reading_ = true;
  connection_.loop().work(
      options_.tenant,
      [&tenants = tenants_, tenant = options_.tenant, from = last_ + 1] {
        return follow_runs(tenants, tenant, {.from = from, .flows = {}});
      },
      [this, connection = connection_.weak_from_this(),
       alive = std::weak_ptr<const bool>(alive_)](Expected<FollowedRuns> read) {
        if (connection.lock() && alive.lock()) on_read(std::move(read));
      });
}

void RunStream::on_read(Expected<FollowedRuns> read) {
  is_reading_ = false;
  if (is_finished_) return;
  if (!read) {
    send(fmt::format("event: error\ndata: {}\n\n", response_of(read.error()).body));
    options_.on_failed(read.error());
    return finish();
  }
  last_ = read->next - 1;
  has_read_all_ = !read->has_more;
  std::string events;
  for (const FollowedRun& run : read->runs) write_event(run, events);
  send(events);
  look();
}

void RunStream::send(std::string_view text) {
  if (text.empty()) return;
  sent_at_ms_ = connection_.loop().now_ms();
  options_.load->bytes.take(text.size());
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
