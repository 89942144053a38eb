// A run as self-contained bytes: what a careful user of a general key-value store would store.
// Numbers are varints, times are deltas, names are text behind their length. Against the JSON text
// it spares the store about two thirds of the bytes in its log and its memtable, and most of the
// time to make them, so it is the encoding that RocksDB is measured with.
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

// Text of what is read is copied to `text`. Throw std::runtime_error on bytes that end early.
void decode_compact(std::string_view bytes, TextBuffer& text, Run& out);
void decode_compact_head(std::string_view bytes, TextBuffer& text, RunHead& out);

}  // namespace runlog::bench
