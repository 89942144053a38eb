// A run as self-contained bytes: what a careful user of a general key-value store would store.
// Numbers are varints, times are deltas, a run id that is a UUID is its 16 bytes, names are text
// behind their length. Against the JSON text it spares the store about two thirds of the bytes in
// its log and its memtable, and most of the time to make them, so it is the encoding that RocksDB
// is measured with.
//
// The fields that a list shows stand first, so that a list doesn't decode the steps.
#pragma once

#include <string>
#include <string_view>

#include "bench/text_buffer.h"
#include "log/record.h"
#include "log/run.h"

namespace runlog::bench {

// Appends `run` to `out`. Unknown fields, labels and consumed suspensions are not covered:
// generated runs have none.
void encode_compact(const Run& run, std::string& out);

// Appends the id: a byte of 1 and 16 bytes for "run_" and a UUID in lower case, as the engine makes
// them; else a byte of 0 and the text.
void pack_run_id(std::string_view run_id, std::string& out);

// Text of what is read is copied to `text`. Throw std::runtime_error on bytes that end early.
void decode_compact(std::string_view bytes, TextBuffer& text, Run& out);
void decode_compact_head(std::string_view bytes, TextBuffer& text, RunHead& out);

}  // namespace runlog::bench
