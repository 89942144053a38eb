// Whole runs of one snapshot by their sequence numbers: what follows a list, whose heads leave the
// steps out.
#pragma once

#include <memory>
#include <optional>
#include <string_view>

#include "log/record.h"
#include "log/snapshot.h"

namespace runlog {

// As a RecordReader: made for one query and let go, not thread-safe, and its thread must not append.
class RunReader {
 public:
  explicit RunReader(std::shared_ptr<const Snapshot> snapshot);

  // The visible run with this sequence number; its text lives until the next call.
  // Errors: NotFound; Corruption; IoError.
  Expected<const Run*> read(SequenceNumber sequence);
  // How much read() has to decode. Errors: as read.
  Expected<std::uint64_t> body_bytes(SequenceNumber sequence);
  // The sequence number of a run's visible record; nullopt if there is none. Errors: Corruption.
  Expected<std::optional<SequenceNumber>> find(std::string_view run_id);

 private:
  struct Record {
    RecordPlace place;
    std::span<const std::byte> bytes;  // and what follows it
  };
  std::optional<RecordPlace> place_from(SequenceNumber from) const;
  Expected<Record> find_record(SequenceNumber sequence);

  std::shared_ptr<const Snapshot> snapshot_;
  RecordReader records_;
  std::unique_ptr<TextArena> arena_;
  Run run_;
};

}  // namespace runlog
