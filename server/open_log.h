// Opening a tenant's log for the commands that read.
#pragma once

#include <filesystem>
#include <memory>
#include <string_view>

#include "log/log.h"
#include "server/commands.h"

namespace runlog {

// Tenant names become paths: letters, digits, '-' and '_', 1 to 64 of them.
bool is_tenant_name(std::string_view name);

// Whether there is a log in `directory`: looking for one must not create it.
bool is_log(const std::filesystem::path& directory);

// Errors: those of Log::open_read_only; NotFound says how a log comes into being.
Expected<std::shared_ptr<Log>> open_for_reading(const LogPlace& place);

// Opens a log that is there for writing. Errors: those of Log::open; NotFound as above.
Expected<std::shared_ptr<Log>> open_for_changing(const LogPlace& place);

// What to tell when there is no log at `place`.
Error no_log_at(const LogPlace& place);

}  // namespace runlog
