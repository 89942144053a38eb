#include "bench/peer_file.h"

#include <fcntl.h>
#include <unistd.h>

#include <cerrno>
#include <stdexcept>
#include <system_error>

namespace runlog::bench {
namespace {

[[noreturn]] void fail_io(const char* what) {
  throw std::system_error(errno, std::generic_category(), what);
}

void write_at(int file, std::span<const std::byte> bytes, std::uint64_t offset) {
  while (!bytes.empty()) {
    const ssize_t written = ::pwrite(file, bytes.data(), bytes.size(), off_t(offset));
    if (written < 0) fail_io("writing the plain file");
    bytes = bytes.subspan(std::size_t(written));
    offset += std::uint64_t(written);
  }
}

}  // namespace

PlainFile::PlainFile(const std::filesystem::path& directory) {
  const auto path = directory / "plain";
  file_ = ::open(path.c_str(), O_RDWR | O_CREAT | O_CLOEXEC, 0644);
  if (file_ < 0) fail_io("creating the plain file");
  const std::vector<std::byte> zeros(1 << 20);
  for (std::uint64_t offset = 0; offset < kFileBytes; offset += zeros.size())
    write_at(file_, zeros, offset);
  if (::fsync(file_) != 0) fail_io("syncing the plain file");
  committer_ = std::thread([this] { commit_what_waits(); });
}

PlainFile::~PlainFile() {
  {
    const std::lock_guard lock(mutex_);
    closing_ = true;
  }
  arrived_.notify_one();
  committer_.join();
  ::close(file_);
}

std::vector<EncodedRun> PlainFile::encode(std::span<const Run> runs) {
  std::vector<EncodedRun> encoded(runs.size());
  for (std::size_t i = 0; i < runs.size(); ++i) {
    if (const auto done = encode_run(runs[i], names_, nullptr, limits_, encoded[i]); !done)
      throw std::runtime_error(done.error().message);
  }
  return encoded;
}

void PlainFile::commit(std::span<Pending> pending) {
  group_.clear();
  for (Pending& one : pending) {
    for (EncodedRun& run : one.runs) {
      finish_record(run.bytes, next_sequence_++, 0, 0);
      group_.insert(group_.end(), run.bytes.begin(), run.bytes.end());
    }
  }
  if (offset_ + group_.size() > kFileBytes) offset_ = 0;
  write_at(file_, group_, offset_);
  offset_ += group_.size();
  if (::fdatasync(file_) != 0) fail_io("syncing the plain file");
}

void PlainFile::append(std::span<const Run> runs) {
  Pending pending{encode(runs), {}};
  commit({&pending, 1});
}

void PlainFile::append_async(std::span<const Run> runs, std::function<void()> done) {
  Pending pending{encode(runs), std::move(done)};
  {
    const std::lock_guard lock(mutex_);
    waiting_.push_back(std::move(pending));
  }
  arrived_.notify_one();
}

void PlainFile::commit_what_waits() {
  std::vector<Pending> group;
  for (;;) {
    {
      std::unique_lock lock(mutex_);
      arrived_.wait(lock, [this] { return closing_ || !waiting_.empty(); });
      if (waiting_.empty()) return;
      group.swap(waiting_);
    }
    commit(group);
    for (const Pending& one : group) one.done();
    group.clear();
  }
}

}  // namespace runlog::bench
