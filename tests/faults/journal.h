// Reads the journal that the I/O shim wrote.
#pragma once

#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <string>
#include <vector>

#include "tests/faults/journal_format.h"

namespace runlog::faults {

struct Op {
  OpKind kind{};
  bool durable = false;   // a write through a descriptor that was opened O_DSYNC
  bool injected = false;  // the program was told that it failed
  std::uint32_t thread = 0;
  std::uint64_t inode = 0;
  std::uint64_t offset = 0;
  std::string path, second_path;
  std::string content;
};

// Every whole record. A last one that the process's death cut off is left out.
// Throws std::runtime_error when the file is not a journal.
std::vector<Op> read_journal(const std::filesystem::path& file);

// One line for a person, as a test prints it where a replay fails.
std::string to_text(const Op& op);

}  // namespace runlog::faults
