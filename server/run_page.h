// One run for people: what it was, why it failed, then its steps.
#pragma once

#include <string>

#include "log/run.h"
#include "server/console.h"

namespace runlog {

// `now` is what "3 hours ago" counts from.
std::string render_run(const Run& run, bool every_iteration, const Screen& screen, UnixMs now);

}  // namespace runlog
