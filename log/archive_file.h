// One file of an archive: runs as lines of JSON in one zstd frame.
#pragma once

#include <cstdint>
#include <filesystem>
#include <functional>
#include <memory>
#include <string>
#include <string_view>

#include "index/error.h"

namespace runlog {

// What a file holds, as its manifest says it and as reading it finds it.
struct ArchiveContent {
  std::uint64_t runs = 0;
  std::uint64_t bytes = 0, json_bytes = 0;        // of the file; of its lines
  std::uint64_t checksum = 0, json_checksum = 0;  // xxh3-64 of either
  friend bool operator==(const ArchiveContent&, const ArchiveContent&) = default;
};

class ArchiveWriter {
 public:
  // Errors: those of NewFile::create.
  static Expected<std::unique_ptr<ArchiveWriter>> create(const std::filesystem::path& file);
  ~ArchiveWriter();
  ArchiveWriter(const ArchiveWriter&) = delete;
  ArchiveWriter& operator=(const ArchiveWriter&) = delete;
  // Adds a line, which has no newline yet. Errors: IoError; DiskFull.
  Expected<void> add(std::string_view line);
  // Ends the frame and makes the content durable. Errors: IoError; DiskFull.
  Expected<ArchiveContent> finish();

 private:
  struct Impl;
  explicit ArchiveWriter(std::unique_ptr<Impl> impl);
  std::unique_ptr<Impl> impl_;
};

// Reads a file and calls `visit` with each line, until one fails.
// Errors: NotFound; IoError; Corruption (it cannot be decompressed, or ends within a line); those of
// `visit`.
using VisitLine = std::function<Expected<void>(std::string_view line)>;
Expected<ArchiveContent> read_archive_file(const std::filesystem::path& file,
                                           const VisitLine& visit);

}  // namespace runlog
