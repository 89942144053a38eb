// A second process that reads a log while this one writes it. The log must not be opened twice in
// one process, so the follower is a child that is told what it must see.
#pragma once

#include <algorithm>
#include <catch2/catch.hpp>
#include <cstdio>
#include <filesystem>
#include <string>
#include <sys/wait.h>
#include <unistd.h>

#include "tests/model.h"

namespace runlog {

class Follower {
 public:
  // Forks; before the process has threads.
  explicit Follower(const std::filesystem::path& directory) {
    REQUIRE(::pipe(to_child_) == 0);
    REQUIRE(::pipe(to_parent_) == 0);
    child_ = ::fork();
    REQUIRE(child_ >= 0);
    if (child_ == 0) {
      ::close(to_child_[1]);
      follow(directory);
      ::_exit(0);
    }
    ::close(to_child_[0]);
  }
  ~Follower() { stop(); }
  Follower(const Follower&) = delete;
  Follower& operator=(const Follower&) = delete;

  // The child must see exactly the model's visible runs.
  void check(const Model& model) {
    std::string expected;
    for (const std::size_t run : model.visible()) {
      const Model::Entry& entry = model.entries()[run];
      expected += std::to_string(entry.sequence) + " " + entry.run.run_id + "\n";
    }
    check(expected);
  }
  // The child must see exactly this when it lists all runs, the oldest first: a line each, of
  // sequence number and id.
  void check(const std::string& expected) {
    const std::size_t bytes = expected.size();
    REQUIRE(::write(to_child_[1], &bytes, sizeof bytes) == ssize_t(sizeof bytes));
    REQUIRE(write_all(to_child_[1], expected.data(), bytes));
    char answer = 'x';
    REQUIRE(::read(to_parent_[0], &answer, 1) == 1);
    REQUIRE(answer == 'y');
  }

  void stop() {
    if (child_ <= 0) return;
    ::close(to_child_[1]);
    ::waitpid(child_, nullptr, 0);
    ::close(to_parent_[0]);
    ::close(to_parent_[1]);
    child_ = -1;
  }

 private:
  static bool write_all(int to, const char* from, std::size_t bytes) {
    while (bytes > 0) {
      const ssize_t written = ::write(to, from, bytes);
      if (written <= 0) return false;
      from += written;
      bytes -= std::size_t(written);
    }
    return true;
  }
  static bool read_all(int from, char* to, std::size_t bytes) {
    while (bytes > 0) {
      const ssize_t read = ::read(from, to, bytes);
      if (read <= 0) return false;
      to += read;
      bytes -= std::size_t(read);
    }
    return true;
  }

  void follow(const std::filesystem::path& directory) {
    std::shared_ptr<Log> log;
    std::size_t bytes = 0;
    unsigned checks = 0;
    while (read_all(to_child_[0], reinterpret_cast<char*>(&bytes), sizeof bytes)) {
      std::string expected(bytes, '\0');
      if (!read_all(to_child_[0], expected.data(), bytes)) return;
      if (++checks % 4 == 0) log.reset();  // a fresh look now and then
      const std::string seen = look(directory, log);
      if (seen != expected) {
        const auto differs = std::mismatch(seen.begin(), seen.end(), expected.begin(), expected.end());
        const auto at = std::size_t(differs.first - seen.begin());
        const std::size_t line = at == 0 ? 0 : expected.rfind('\n', at - 1) + 1;
        std::fprintf(stderr, "from byte %zu on the follower saw:\n%.200s\nand should have seen:\n%.200s\n",
                     at, seen.substr(std::min(line, seen.size())).c_str(), expected.substr(line).c_str());
      }
      const char answer = seen == expected ? 'y' : 'n';
      if (::write(to_parent_[1], &answer, 1) != 1) return;
    }
  }

  // All runs that can be seen now, oldest first; or what went wrong.
  static std::string look(const std::filesystem::path& directory, std::shared_ptr<Log>& log) {
    for (;;) {
      const Expected<std::string> seen = list_all(directory, log);
      if (seen) return *seen;
      // A commit came in between; the next look finds another state.
      if (seen.error().code != ErrorCode::Busy) return seen.error().message;
      log.reset();
    }
  }

  static Expected<std::string> list_all(const std::filesystem::path& directory,
                                        std::shared_ptr<Log>& log) {
    if (!log) {
      auto opened = Log::open_read_only(directory);
      if (!opened) return tl::unexpected(opened.error());
      log = *opened;
    }
    const auto snapshot = log->snapshot();
    if (!snapshot) return tl::unexpected(snapshot.error());
    std::string seen;
    ListRequest request;
    request.direction = Direction::kOldestFirst;
    request.limit = 1000;
    do {
      const auto page = list(*snapshot, request);
      if (!page) return tl::unexpected(page.error());
      for (const RunHead& run : page->runs) {
        seen += std::to_string(run.sequence) + " " + std::string(run.run_id) + "\n";
        const auto whole = get(*snapshot, run.run_id);
        if (!whole) return tl::unexpected(whole.error());
      }
      request.cursor = page->next_cursor;
    } while (!request.cursor.empty());
    return seen;
  }

  int to_child_[2], to_parent_[2];
  pid_t child_ = -1;
};

}  // namespace runlog
