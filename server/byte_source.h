// The bytes of a file or of standard input, decompressed when they are zstd or gzip. What they are
// is seen from their first bytes, not from a name, so that it works through a pipe as well.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <string>

#include "index/error.h"

namespace runlog {

class ByteSource {
 public:
  virtual ~ByteSource() = default;

  // Fills the beginning of `out`; 0 is the end. Errors: IoError (a failed read); Corruption (the
  // compressed stream is damaged or ends too early); Closed (see open). After an error there is
  // nothing more to read.
  virtual Expected<std::size_t> read(std::span<char> out) = 0;

  // How much of the file was taken so far, before decompression; for progress.
  virtual std::uint64_t taken_bytes() const = 0;
  // The file's length; nullopt for a pipe or a terminal.
  virtual std::optional<std::uint64_t> file_bytes() const = 0;

  // Whether nothing can be read now, though it is not the end.
  virtual bool would_wait() const = 0;

  // "-" is standard input. Once `stop_descriptor` is readable, reading ends with Closed, also when
  // it waits; it must outlive the source. Errors: NotFound; IoError; Closed.
  static Expected<std::unique_ptr<ByteSource>> open(const std::string& path,
                                                    int stop_descriptor = -1);
};

}  // namespace runlog
