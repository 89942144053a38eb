// A file that appears as a whole or not at all: written under another name beside its place,
// synced, then renamed. Left unfinished, nothing of it stays. A pipe or a device is written as it
// is, and a symbolic link stays one.
#pragma once

#include <memory>
#include <string>

#include "index/error.h"
#include "server/console.h"

namespace runlog {

class OutputFile {
 public:
  // Errors: IoError (names the file).
  static Expected<std::unique_ptr<OutputFile>> create(const std::string& path);
  ~OutputFile();
  OutputFile(const OutputFile&) = delete;
  OutputFile& operator=(const OutputFile&) = delete;

  Output& output() { return output_; }
  // Puts the file in its place. Errors: IoError; the file that was there before is unchanged then.
  Expected<void> finish();

 private:
  OutputFile(std::string path, std::string unfinished, int descriptor)
      : path_(std::move(path)),
        unfinished_(std::move(unfinished)),
        descriptor_(descriptor),
        output_(descriptor) {}
  std::string path_;        // where the file goes, symbolic links resolved
  std::string unfinished_;  // empty when it is there, or is written in place
  int descriptor_;
  Output output_;
};

}  // namespace runlog
