// The Runs page: server/http/runs_page.html, built into the program.
#pragma once

#include <string_view>

namespace runlog {

std::string_view runs_page();

}  // namespace runlog
