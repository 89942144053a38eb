// What Tenants does without being asked by a request: closing, sealing, quotas, changed options.
#include <algorithm>
#include <utility>

#include <fmt/format.h>

#include "server/quantities.h"
#include "server/tenants/tenants.h"

namespace runlog {
namespace {

// The index of an active segment is made again when its log is opened, at about half a microsecond
// a run; above this the first request would wait for longer than 10 ms.
constexpr std::uint64_t kMostRunsToFoldAgain = 20'000;

bool is_worth_sealing(const LogInfo& log) {
  return !log.segments.empty() && log.segments.back().state == "active" &&
         log.segments.back().runs > kMostRunsToFoldAgain;
}

}  // namespace

// ---- closing ---------------------------------------------------------------------------------

// Closes the log of a tenant that this thread has reserved; if it is open. Release it afterwards.
std::optional<Error> Tenants::close_reserved(std::string_view tenant) {
  std::shared_ptr<Log> log;
  {
    const std::lock_guard lock(mutex_);
    log = std::move(tenants_.find(tenant)->second.log);
  }
  if (!log) return std::nullopt;
  auto closed = log->close();
  return closed ? std::nullopt : std::optional(closed.error());
}

// Reserves the open tenants that `wanted` names.
template <typename Wanted>
std::vector<std::string> Tenants::reserve_open(Wanted&& wanted) {
  std::vector<std::string> names;
  const std::lock_guard lock(mutex_);
  for (auto& [name, tenant] : tenants_) {
    if (tenant.is_busy || !wanted(tenant)) continue;
    tenant.is_busy = true;
    names.push_back(name);
  }
  return names;
}

void Tenants::close_idle(std::vector<Error>& failed) {
  const auto now = std::chrono::steady_clock::now();
  // Only from the map can somebody get at a log that nobody else holds.
  const auto idle = reserve_open([&](const Tenant& tenant) {
    return tenant.log.use_count() == 1 && now - tenant.used >= options_.idle_after;
  });
  for (const std::string& name : idle) {
    if (auto sealed = seal_before_closing(name); !sealed) failed.push_back(sealed.error());
    if (auto error = close_reserved(name)) failed.push_back(std::move(*error));
    release(name, nullptr);
  }
}

Expected<void> Tenants::seal_before_closing(const std::string& tenant) {
  std::shared_ptr<Log> log;
  {
    const std::lock_guard lock(mutex_);
    log = tenants_.find(tenant)->second.log;
  }
  return is_worth_sealing(log->describe()) ? log->seal_now() : Expected<void>();
}

std::vector<Error> Tenants::close_all() {
  std::vector<Error> failed;
  {
    Lock lock(mutex_);
    is_closed_ = true;
    changed_.wait(lock, [this] {
      return std::none_of(tenants_.begin(), tenants_.end(),
                          [](const auto& entry) { return entry.second.is_busy; });
    });
  }
  for (const std::string& name : reserve_open([](const Tenant&) { return true; })) {
    if (auto error = close_reserved(name)) failed.push_back(std::move(*error));
    release(name, nullptr);
  }
  return failed;
}

// ---- memory and quotas -----------------------------------------------------------------------

std::vector<std::pair<std::string, std::shared_ptr<Log>>> Tenants::open_logs() {
  std::vector<std::pair<std::string, std::shared_ptr<Log>>> logs;
  const std::lock_guard lock(mutex_);
  for (const auto& [name, tenant] : tenants_)
    if (!tenant.is_busy) logs.emplace_back(name, tenant.log);
  return logs;
}

void Tenants::measure() {
  for (const auto& [name, log] : open_logs()) {
    LogInfo info = log->describe();
    const std::lock_guard lock(mutex_);
    const auto found = tenants_.find(name);
    if (found == tenants_.end()) continue;
    found->second.measured = std::move(info);
    found->second.admitted_bytes = 0;
  }
}

void Tenants::seal_largest(std::vector<Error>& failed) {
  for (;;) {
    std::string largest;
    std::shared_ptr<Log> log;
    {
      const std::lock_guard lock(mutex_);
      std::uint64_t together = 0, most = 0;
      for (const auto& [name, tenant] : tenants_) {
        together += tenant.measured.index_memory_bytes;
        if (tenant.is_busy || tenant.measured.index_memory_bytes <= most) continue;
        most = tenant.measured.index_memory_bytes;
        largest = name;
        log = tenant.log;
      }
      if (together <= options_.index_memory_bytes || !log) return;
    }
    if (auto sealed = log->seal_now(); !sealed) {
      failed.push_back(sealed.error());
      return;
    }
    LogInfo info = log->describe();
    const std::lock_guard lock(mutex_);
    const auto found = tenants_.find(largest);
    if (found == tenants_.end()) continue;
    const bool is_smaller = info.index_memory_bytes < found->second.measured.index_memory_bytes;
    found->second.measured = std::move(info);
    if (!is_smaller) return;  // nothing is left to gain
  }
}

std::vector<Error> Tenants::tend() {
  std::vector<Error> failed;
  close_idle(failed);
  measure();
  seal_largest(failed);
  return failed;
}

Expected<void> Tenants::admit(std::string_view tenant, std::uint64_t bytes) {
  const std::lock_guard lock(mutex_);
  const auto rules = options_.rules.find(tenant);
  const std::uint64_t quota = rules != options_.rules.end() && rules->second.max_bytes
                                  ? *rules->second.max_bytes
                                  : options_.max_bytes;
  const auto found = tenants_.find(tenant);
  if (quota == 0 || found == tenants_.end()) return {};
  Tenant& admitted = found->second;
  if (admitted.measured.bytes + admitted.admitted_bytes + bytes > quota)
    return fail(ErrorCode::DiskFull,
                fmt::format("tenant '{}' stores {}, and {} are its quota", tenant,
                            format_bytes(admitted.measured.bytes + admitted.admitted_bytes),
                            format_bytes(quota)));
  admitted.admitted_bytes += bytes;
  return {};
}

std::vector<TenantSummary> Tenants::open_tenants() {
  std::vector<TenantSummary> open;
  const std::lock_guard lock(mutex_);
  for (const auto& [name, tenant] : tenants_) {
    if (!tenant.log) continue;
    TenantSummary& summary = open.emplace_back();
    summary.name = name;
    summary.is_open = true;
    copy(tenant.measured, summary);
  }
  return open;
}

// ---- options ---------------------------------------------------------------------------------

Expected<void> Tenants::apply_rules(const std::string& tenant, Log& log) {
  std::optional<RetentionPolicy> wanted;
  {
    const std::lock_guard lock(mutex_);
    if (const auto rules = options_.rules.find(tenant); rules != options_.rules.end())
      wanted = rules->second.retention;
  }
  if (!wanted) return {};
  auto policy = log.retention();
  if (!policy) return tl::unexpected(policy.error());
  wanted->flows = policy->flows;
  return *wanted == *policy ? Expected<void>() : log.set_retention(*wanted);
}

std::vector<Error> Tenants::set_options(TenantsOptions options) {
  {
    const std::lock_guard lock(mutex_);
    options_ = std::move(options);
  }
  std::vector<Error> failed;
  for (const auto& [name, log] : open_logs())
    if (auto applied = apply_rules(name, *log); !applied) failed.push_back(applied.error());
  return failed;
}

}  // namespace runlog
