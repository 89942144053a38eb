// Server-sent events of runs as they are committed: GET /api/v1/runs/stream. Each event's id is the
// run's sequence number and its data the run as `export` writes it; who comes back with
// Last-Event-ID misses nothing that is still visible. Runs that were superseded or hidden by the time
// they would have been sent are left out. A comment every 15 seconds shows that the server is there.
// When runs cannot be read, the last event is "error", with what a request would be answered.
//
// Lives on the loop; runs are read and written on a worker, a bounded piece at a time, and only while
// the peer takes what it gets.
#pragma once

#include <functional>
#include <memory>
#include <string>
#include <string_view>

#include "server/follow_runs.h"
#include "server/protocol/load.h"
#include "server/tenants/tenants.h"
#include "server/transport/connection.h"

namespace runlog {

class RunStream {
 public:
  struct Options {
    std::string tenant;
    std::shared_ptr<TenantLoad> load;  // that counts its bytes
    SequenceNumber after = 0;  // the first event is the next run
    bool in_chunks = true;     // frame what is sent as chunks of HTTP/1.1
    std::function<bool()> may_go_on;  // asked again and again; false ends the stream
    std::function<void(const Error&)> on_failed;  // runs could not be read, and the stream ends
  };
  // Begins to send. The connection outlives the stream, the tenants also its work.
  RunStream(Connection& connection, Tenants& tenants, Options options);
  ~RunStream();
  RunStream(const RunStream&) = delete;
  RunStream& operator=(const RunStream&) = delete;

  void on_drained() { look(); }
  // Sends the end, behind which nothing may be sent, and closes the connection.
  void finish();

 private:
  void look();
  void read_next();
  void on_read(Expected<FollowedRuns> read);
  void send(std::string_view text);

  Connection& connection_;
  Tenants& tenants_;
  Options options_;
  SequenceNumber last_;
  std::uint64_t sent_at_ms_ = 0;
  bool is_reading_ = false, has_read_all_ = false, is_finished_ = false;
  std::shared_ptr<const bool> alive_ = std::make_shared<bool>(true);
  Timer timer_;
};

}  // namespace runlog
