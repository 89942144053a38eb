#include "bench/measure.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <unistd.h>

#include <algorithm>
#include <fstream>
#include <string_view>

namespace runlog::bench {

double percentile(std::vector<double> samples, double fraction) {
  if (samples.empty()) return 0;
  const auto nth = samples.begin() + std::ptrdiff_t(fraction * double(samples.size() - 1));
  std::nth_element(samples.begin(), nth, samples.end());
  return *nth;
}

std::uint64_t disk_bytes(const std::filesystem::path& directory) {
  std::uint64_t bytes = 0;
  for (const auto& entry : std::filesystem::recursive_directory_iterator(directory)) {
    struct stat status;
    if (::lstat(entry.path().c_str(), &status) == 0)
      bytes += std::uint64_t(status.st_blocks) * 512;
  }
  return bytes;
}

namespace {

void sync_file_system(const std::filesystem::path& directory) {
  const int file = ::open(directory.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
  if (file < 0) return;
  ::syncfs(file);
  ::close(file);
}

std::optional<std::uint64_t> process_counter(std::string_view name) {
  std::ifstream counters("/proc/self/io");
  std::uint64_t value = 0;
  for (std::string key; counters >> key >> value;)
    if (key == name) return value;
  return std::nullopt;
}

std::optional<std::uint64_t> difference(std::optional<std::uint64_t> now,
                                        std::optional<std::uint64_t> before) {
  if (!now || !before) return std::nullopt;
  return *now - *before;
}

}  // namespace

DeviceMeter::DeviceMeter(const std::filesystem::path& directory) : directory_(directory) {
  struct stat status;
  if (::stat(directory.c_str(), &status) == 0) {
    counter_ = "/sys/dev/block/" + std::to_string(major(status.st_dev)) + ":" +
               std::to_string(minor(status.st_dev)) + "/stat";
  }
  sync_file_system(directory_);
  start_ = read_counter();
  start_handed_over_ = process_counter("wchar:");
}

std::optional<std::uint64_t> DeviceMeter::read_counter() const {
  if (std::ifstream device(counter_); device) {
    std::uint64_t field = 0;
    constexpr int kSectorsWritten = 7;
    for (int i = 0; i < kSectorsWritten; ++i) device >> field;
    if (device) return field * 512;
  }
  return process_counter("write_bytes:");
}

std::optional<std::uint64_t> DeviceMeter::written() const {
  sync_file_system(directory_);
  return difference(read_counter(), start_);
}

std::optional<std::uint64_t> DeviceMeter::handed_over() const {
  return difference(process_counter("wchar:"), start_handed_over_);
}

WorkDirectory::WorkDirectory(const std::filesystem::path& parent, const std::string& name)
    : path_(parent / ("runlog-bench-" + name)) {
  std::filesystem::remove_all(path_);
  std::filesystem::create_directories(path_);
}

WorkDirectory::~WorkDirectory() {
  std::error_code ignored;
  std::filesystem::remove_all(path_, ignored);
}

}  // namespace runlog::bench
