// Reads NDJSON line by line, from a file or standard input, plain or compressed.
#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "server/byte_source.h"

namespace runlog {

// One line without its end. Blank lines are left out, but counted.
struct NdjsonLine {
  std::uint64_t number = 0;  // 1 for the first
  std::string_view text;     // lives until the next line is read; empty when `too_long`
  bool too_long = false;     // longer than the reader's limit: skipped without being kept
};

class NdjsonReader {
 public:
  // `before_wait` is called when no whole line is there and the source has nothing to read now.
  NdjsonReader(std::unique_ptr<ByteSource> source, std::size_t max_line_bytes,
               std::function<void()> before_wait = [] {});

  // The next line that is not blank; nullopt at the end. A last line needs no newline.
  // Errors: those of ByteSource::read; lines that were complete before have been returned.
  Expected<std::optional<NdjsonLine>> next();

  const ByteSource& source() const { return *source_; }

 private:
  // Finds the next line, however long or blank. False at the end.
  Expected<bool> next_raw(NdjsonLine& line);
  Expected<bool> fill();

  std::unique_ptr<ByteSource> source_;
  std::size_t max_line_bytes_;
  std::function<void()> before_wait_;
  std::vector<char> buffer_;
  std::size_t begin_ = 0, end_ = 0;
  std::uint64_t number_ = 0;
  bool at_end_ = false;
};

}  // namespace runlog
