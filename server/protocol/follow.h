// Follow requests: each sends what is appended to its log until it is cancelled. One clock of the
// server looks for news for all of them; workers read the runs.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "server/follow_runs.h"
#include "server/protocol/session.h"

namespace runlog {

// Belongs to the loop's thread.
class FollowClock {
 public:
  explicit FollowClock(Loop& loop);
  ~FollowClock();

  // Follows until the request is given up, or the session's token does not hold any more.
  // `request.from` 0: from now on.
  void add(Session& session, std::uint64_t request_id, InFlightPtr in_flight,
           FollowRequest request, std::uint32_t heartbeat_ms);

 private:
  struct Follow;
  static void look(const std::shared_ptr<Follow>& follow);
  static void on_read(const std::shared_ptr<Follow>& follow, Expected<FollowedRuns> read);
  void on_tick();

  Loop& loop_;
  std::unique_ptr<Timer> timer_;  // runs while there is something to follow
  std::vector<std::shared_ptr<Follow>> follows_;
};

}  // namespace runlog
