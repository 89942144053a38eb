#include "server/tenants/tenants.h"

#include <algorithm>
#include <utility>

#include <fmt/format.h>

#include "log/file_io.h"
#include "server/open_log.h"

namespace runlog {
namespace {

Expected<void> check_name(std::string_view tenant) {
  if (is_tenant_name(tenant)) return {};
  // The name may be anything: it came over a socket.
  return fail(ErrorCode::InvalidArgument,
              "that is no tenant's name: 1 to 64 letters, digits, '-' or '_'");
}

Error no_tenant(std::string_view tenant) {
  return {ErrorCode::NotFound, fmt::format("there is no tenant '{}'", tenant)};
}

}  // namespace

Tenants::Tenants(std::filesystem::path data, TenantsOptions options)
    : data_(std::move(data)), options_(std::move(options)) {}

Tenants::~Tenants() { close_all(); }

// ---- one at a time ---------------------------------------------------------------------------

// The tenant, once no thread is busy with it; null if it is not open then.
Tenants::Tenant* Tenants::wait_for(Lock& lock, std::string_view tenant) {
  for (;;) {
    const auto found = tenants_.find(tenant);
    if (found == tenants_.end()) return nullptr;
    if (!found->second.is_busy) return &found->second;
    changed_.wait(lock);
  }
}

// Keeps others from a tenant that is not open, until release().
Expected<void> Tenants::reserve(Lock& lock, std::string_view tenant) {
  if (auto good = check_name(tenant); !good) return good;
  if (wait_for(lock, tenant) != nullptr)
    return fail(ErrorCode::Busy, fmt::format("tenant '{}' is in use", tenant));
  if (is_closed_) return fail(ErrorCode::Closed, "the server is shutting down");
  tenants_[std::string(tenant)].is_busy = true;
  return {};
}

void Tenants::release(std::string_view tenant, std::shared_ptr<Log> log) {
  LogInfo info = log ? log->describe() : LogInfo();
  {
    const std::lock_guard lock(mutex_);
    const auto found = tenants_.find(tenant);
    if (log) {
      found->second.log = std::move(log);
      found->second.measured = std::move(info);
      found->second.used = std::chrono::steady_clock::now();
      found->second.is_busy = false;
    } else {
      tenants_.erase(found);
    }
  }
  changed_.notify_all();
}

Expected<std::shared_ptr<Log>> Tenants::open_log(const std::string& tenant, LogOptions options) {
  if (!is_log(directory(tenant))) return tl::unexpected(no_tenant(tenant));
  auto log = Log::open(directory(tenant), options);
  if (!log) return log;
  if (auto applied = apply_rules(tenant, **log); !applied)
    return tl::unexpected(applied.error());
  return log;
}

Expected<std::shared_ptr<Log>> Tenants::open(std::string_view tenant) {
  LogOptions options;
  {
    Lock lock(mutex_);
    if (Tenant* found = wait_for(lock, tenant)) {
      found->used = std::chrono::steady_clock::now();
      return found->log;
    }
    if (auto reserved = reserve(lock, tenant); !reserved) return tl::unexpected(reserved.error());
    options = options_.log;
  }
  auto log = open_log(std::string(tenant), options);
  release(tenant, log ? *log : nullptr);
  return log;
}

std::shared_ptr<Log> Tenants::opened(std::string_view tenant) {
  const std::lock_guard lock(mutex_);
  const auto found = tenants_.find(tenant);
  if (found == tenants_.end() || found->second.is_busy) return nullptr;
  found->second.used = std::chrono::steady_clock::now();
  return found->second.log;
}

std::shared_ptr<Log> Tenants::glance(std::string_view tenant) {
  const std::lock_guard lock(mutex_);
  const auto found = tenants_.find(tenant);
  return found == tenants_.end() || found->second.is_busy ? nullptr : found->second.log;
}

// ---- which there are -------------------------------------------------------------------------

Expected<void> Tenants::create(std::string_view tenant) {
  LogOptions options;
  const auto exists = [&] {
    return fail(ErrorCode::InvalidArgument, fmt::format("there is a tenant '{}' already", tenant));
  };
  {
    Lock lock(mutex_);
    if (wait_for(lock, tenant) != nullptr) return exists();
    if (auto reserved = reserve(lock, tenant); !reserved) return reserved;
    options = options_.log;
    const auto rules = options_.rules.find(tenant);
    if (rules != options_.rules.end() && rules->second.retention)
      options.retention = *rules->second.retention;
  }
  Expected<void> done;
  if (is_log(directory(tenant))) {
    done = exists();
  } else if (auto log = Log::open(directory(tenant), options); !log) {
    done = tl::unexpected(log.error());
  } else {
    done = (*log)->close();
  }
  release(tenant, nullptr);
  return done;
}

namespace {

// No tenant's name, so that nobody takes it for one when a crash leaves it behind.
Expected<void> remove_log(const std::filesystem::path& data, std::string_view tenant) {
  const auto directory = data / tenant;
  const auto removed = data / fmt::format(".removed-{}", tenant);
  std::error_code ignored;
  const bool was_begun = std::filesystem::exists(removed, ignored);
  if (was_begun)
    if (auto cleared = remove_tree(removed); !cleared) return cleared;
  if (!is_log(directory))
    return was_begun ? Expected<void>() : tl::unexpected(no_tenant(tenant));
  // Whoever writes the log holds its lock, in whichever process.
  auto lock = WriterLock::take(directory / "LOCK");
  if (!lock) return tl::unexpected(lock.error());
  if (auto moved = move_entry(directory, removed); !moved) return moved;
  return remove_tree(removed);
}

}  // namespace

Expected<void> Tenants::remove(std::string_view tenant) {
  {
    Lock lock(mutex_);
    Tenant* found = wait_for(lock, tenant);
    if (found == nullptr) {
      if (auto reserved = reserve(lock, tenant); !reserved) return reserved;
    } else if (found->log.use_count() > 1) {
      return fail(ErrorCode::Busy, fmt::format("tenant '{}' is in use", tenant));
    } else {
      found->is_busy = true;
    }
  }
  static_cast<void>(close_reserved(tenant));  // what could not be stored goes with the rest
  auto done = remove_log(data_, tenant);
  release(tenant, nullptr);
  return done;
}

void Tenants::copy(const LogInfo& info, TenantSummary& summary) {
  summary.runs = info.runs;
  summary.bytes = info.bytes;
  summary.segments = info.segments.size();
  summary.index_memory_bytes = info.index_memory_bytes;
}

TenantSummary Tenants::summary_of(const std::string& tenant) {
  TenantSummary summary;
  summary.name = tenant;
  std::shared_ptr<Log> log;
  {
    Lock lock(mutex_);
    if (const Tenant* found = wait_for(lock, tenant)) {
      log = found->log;
    } else if (auto reserved = reserve(lock, tenant); !reserved) {
      summary.problem = reserved.error();
      return summary;
    }
  }
  const bool is_reserved = !log;
  summary.is_open = log || !WriterLock::keep_writers_out(directory(tenant) / "LOCK");
  auto read = log ? Expected<std::shared_ptr<Log>>(log) : Log::open_read_only(directory(tenant));
  if (read) {
    copy((*read)->describe(), summary);
  } else {
    summary.problem = read.error();
  }
  read = nullptr;
  if (is_reserved) release(tenant, nullptr);
  return summary;
}

Expected<std::vector<TenantSummary>> Tenants::list() {
  std::vector<std::string> names;
  std::error_code error;
  // The loop that C++ makes of a range would throw where increment() reports.
  for (std::filesystem::directory_iterator entry(data_, error), end; !error && entry != end;
       entry.increment(error)) {
    std::string name = entry->path().filename().string();
    if (is_tenant_name(name) && is_log(entry->path())) names.push_back(std::move(name));
  }
  if (error) return tl::unexpected(system_error(error.value(), "list the directory", data_));
  std::sort(names.begin(), names.end());
  std::vector<TenantSummary> tenants;
  for (const std::string& name : names) tenants.push_back(summary_of(name));
  return tenants;
}

}  // namespace runlog
