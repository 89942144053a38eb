// A process that appends to a log until it is done or dies: the subject of the crash tests. What it
// appends is said by scenario.h.
//
//   append_driver LOG ACK_FILE SEED FIRST_THREAD THREADS BATCHES [option …]
//     keep-trying   after an error, append the same batch again until it succeeds
//     give-up       after an error, go on with the next batch
//     seal          seal everything now and then, and at the end
//     async         append without waiting, then wait for the callback
//
// After each append it writes one line to the file of acknowledgements and to its standard output:
//   A thread batch            acknowledged
//   E thread batch code text  append reported an error
//   U thread batch            given up, its outcome is unknown
// Without an option it ends at the first error with exit code 1.
#include <algorithm>
#include <cstdio>
#include <cstdlib>
#include <fcntl.h>
#include <future>
#include <string>
#include <thread>
#include <unistd.h>
#include <vector>

#include "log/log.h"
#include "tests/faults/scenario.h"

namespace {

using namespace runlog;

struct Driver {
  std::shared_ptr<Log> log;
  int acks = -1;
  std::uint64_t seed = 0;
  std::size_t batches = 0;
  bool keep_trying = false, give_up = false, seal = false, async = false;

  void say(const std::string& line) const {
    // Acknowledged outside the log first, then told to whoever may kill this process for it.
    for (const int fd : {acks, STDOUT_FILENO})
      if (::write(fd, line.data(), line.size()) < 0) ::_exit(3);
  }

  Expected<void> append(const faults::PlannedBatch& planned) const {
    if (planned.size() == 1 && !async) {
      const auto made = faults::make_run(planned[0].run_id, planned[0].content);
      const auto result = log->append(made.run);
      if (!result) return tl::unexpected(result.error());
      return {};
    }
    Batch batch = log->make_batch();
    for (const faults::PlannedAppend& append : planned) {
      const auto made = faults::make_run(append.run_id, append.content);
      if (auto added = batch.add(made.run); !added) return added;
    }
    const auto results = async ? append_async(std::move(batch)) : log->append(std::move(batch));
    if (!results) return tl::unexpected(results.error());
    return {};
  }

  Expected<std::vector<AppendResult>> append_async(Batch batch) const {
    std::promise<Expected<std::vector<AppendResult>>> promise;
    log->append_async(std::move(batch), [&](auto results) { promise.set_value(std::move(results)); });
    return promise.get_future().get();
  }

  bool seal_all() const {
    const auto sealed = log->seal_now();
    if (!sealed) say("E seal " + sealed.error().message + "\n");
    return sealed.has_value();
  }

  // False when it ended at an error.
  bool run_thread(unsigned thread) const {
    const auto planned = faults::plan_batches(seed, thread, batches);
    // An error that never ends must not keep the test waiting.
    int tries_left = 200;
    for (std::size_t i = 0; i < planned.size(); ++i) {
      const std::string place = std::to_string(thread) + " " + std::to_string(i);
      const auto done = append(planned[i]);
      if (done) {
        say("A " + place + "\n");
        if (seal && i % 9 == 8) seal_all();
        continue;
      }
      say("E " + place + " " + std::to_string(static_cast<int>(done.error().code)) + " " +
          done.error().message + "\n");
      if (--tries_left == 0) return false;
      if (keep_trying) {
        --i;
      } else if (give_up) {
        say("U " + place + "\n");
      } else {
        return false;
      }
    }
    return true;
  }
};

}  // namespace

int main(int count, char** arguments) {
  if (count < 7) return 2;
  const std::vector<std::string> options(arguments + 7, arguments + count);
  const auto wants = [&](const char* name) {
    return std::find(options.begin(), options.end(), name) != options.end();
  };
  Driver driver;
  driver.acks = ::open(arguments[2], O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0644);
  driver.seed = std::strtoull(arguments[3], nullptr, 10);
  driver.batches = std::strtoull(arguments[6], nullptr, 10);
  driver.keep_trying = wants("keep-trying");
  driver.give_up = wants("give-up");
  driver.seal = wants("seal");
  driver.async = wants("async");
  auto log = Log::open(arguments[1], faults::small_log_options());
  if (!log) {
    driver.say("E open " + std::to_string(static_cast<int>(log.error().code)) + " " +
               log.error().message + "\n");
    return 1;
  }
  driver.log = *log;

  std::vector<std::thread> threads;
  const auto first = static_cast<unsigned>(std::strtoul(arguments[4], nullptr, 10));
  std::vector<char> finished(std::strtoul(arguments[5], nullptr, 10));
  for (unsigned i = 0; i < finished.size(); ++i)
    threads.emplace_back([&, i] { finished[i] = driver.run_thread(first + i); });
  for (std::thread& thread : threads) thread.join();
  bool good = std::all_of(finished.begin(), finished.end(), [](char done) { return done != 0; });
  if (driver.seal && !driver.seal_all()) good = false;
  if (wants("settle") && !driver.log->wait_idle()) good = false;
  if (auto closed = driver.log->close(); !closed) {
    driver.say("E close " + closed.error().message + "\n");
    good = false;
  }
  return good ? 0 : 1;
}
