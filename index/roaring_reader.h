// Reads a stored posting list (see roaring_view.h) in place, in either direction.
#pragma once

#include <memory>

#include "index/index.h"
#include "index/roaring_view.h"

namespace runlog {

// The ordinals of `view` below `end`. The view's bytes must outlive the reader. Whatever the
// containers hold, the ordinals come in strict order and below `end`; a list that breaks the order
// ends there.
std::unique_ptr<PostingReader> read_roaring(const RoaringView& view, Ordinal end,
                                            Direction direction);

}  // namespace runlog
