// How the benchmark measures: time, percentiles, bytes on disk and bytes written to the device.
#pragma once

#include <chrono>
#include <cstdint>
#include <filesystem>
#include <optional>
#include <string>
#include <vector>

namespace runlog::bench {

using Clock = std::chrono::steady_clock;

inline double seconds_since(Clock::time_point start) {
  return std::chrono::duration<double>(Clock::now() - start).count();
}
inline double micros_since(Clock::time_point start) { return seconds_since(start) * 1e6; }

// The value below which `fraction` of the samples lie; 0 when there are none.
double percentile(std::vector<double> samples, double fraction);
inline double median(const std::vector<double>& samples) { return percentile(samples, 0.5); }

// Microseconds that each of `count` calls of `call(i)` takes.
template <typename Call>
std::vector<double> time_each(std::size_t count, Call&& call) {
  std::vector<double> micros;
  micros.reserve(count);
  for (std::size_t i = 0; i < count; ++i) {
    const auto start = Clock::now();
    call(i);
    micros.push_back(micros_since(start));
  }
  return micros;
}

// Keeps a result alive, so that the compiler computes it.
template <typename T>
inline void keep(const T& value) {
  asm volatile("" : : "g"(&value) : "memory");
}

// Blocks in use by everything below `directory`.
std::uint64_t disk_bytes(const std::filesystem::path& directory);

// Bytes that reached the device below a directory. The device's own counter is used where there is
// one: it counts what is really written, by anybody, so nothing else may write meanwhile. The
// process's counter (write_bytes in /proc/self/io) is second best, because it counts whole folios
// when a part of one was written.
class DeviceMeter {
 public:
  explicit DeviceMeter(const std::filesystem::path& directory);
  // Since the meter was made, with everything synced; nullopt where neither counter is available.
  std::optional<std::uint64_t> written() const;
  // What this process handed to the system in writes since: the same but for the file system's own
  // writes, and free of what other processes do.
  std::optional<std::uint64_t> handed_over() const;

 private:
  std::optional<std::uint64_t> read_counter() const;
  std::filesystem::path directory_;
  std::filesystem::path counter_;
  std::optional<std::uint64_t> start_, start_handed_over_;
};

// A directory of its own below `parent`, removed with all it holds; what an interrupted benchmark
// left there goes first.
class WorkDirectory {
 public:
  WorkDirectory(const std::filesystem::path& parent, const std::string& name);
  ~WorkDirectory();
  WorkDirectory(const WorkDirectory&) = delete;
  WorkDirectory& operator=(const WorkDirectory&) = delete;
  const std::filesystem::path& path() const { return path_; }

 private:
  std::filesystem::path path_;
};

}  // namespace runlog::bench
