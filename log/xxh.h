// xxHash compiled into its callers: most of what we hash is shorter than a call is long.
#pragma once

#define XXH_INLINE_ALL
#include <xxhash.h>
