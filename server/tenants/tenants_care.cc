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

// Whether nobody has used it for a while. Only from the map can somebody get at a log that nobody else
// holds.
bool Tenants::is_idle(const Tenant& tenant) const {
  return !tenant.is_busy && tenant.log.use_count() == 1 &&
         std::chrono::steady_clock::now() - tenant.used >= options_.idle_after;
}

bool Tenants::reserve_idle(std::string_view name) {
  const std::lock_guard lock(mutex_);
  const auto found = tenants_.find(name);
  if (found == tenants_.end() || !is_idle(found->second)) return false;
  found->second.is_busy = true;
  return true;
}

void Tenants::close_idle(std::vector<Error>& failed) {
  std::vector<std::string> idle;
  {
    const std::lock_guard lock(mutex_);
    for (const auto& [name, tenant] : tenants_)
      if (is_idle(tenant)) idle.push_back(name);
  }
  for (const std::string& name : idle) {
    // While it is sealed, which may take long, whoever wants it has it.
    if (const auto log = glance(name); log && is_worth_sealing(log->describe()))
      if (auto sealed = log->seal_now(); !sealed) failed.push_back(sealed.error());
    if (!reserve_idle(name)) continue;
    if (auto error = close_reserved(name)) failed.push_back(std::move(*error));
    release(name, nullptr);
  }
}

std::vector<Error> Tenants::close_all() {
  std::vector<Error> failed;
  std::vector<std::string> open;
  {
    Lock lock(mutex_);
    is_closed_ = true;
    changed_.wait(lock, [this] {
      return std::none_of(tenants_.begin(), tenants_.end(),
                          [](const auto& entry) { return entry.second.is_busy; });
    });
    for (auto& [name, tenant] : tenants_) {
      tenant.is_busy = true;
      open.push_back(name);
    }
  }
  for (const std::string& name : open) {
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
  wanted->archive = policy->archive;
  return *wanted == *policy ? Expected<void>() : log.set_retention(*wanted);
}

std::vector<Error> Tenants::set_options(TenantsOptions options) {
  std::vector<std::string> names;
  {
    const std::lock_guard lock(mutex_);
    options_ = std::move(options);
    for (const auto& [name, tenant] : tenants_) names.push_back(name);
  }
  std::vector<Error> failed;
  for (const std::string& name : names) {
    std::shared_ptr<Log> log;
    {
      // One that is being opened may have got the old rules.
      Lock lock(mutex_);
      if (const Tenant* found = wait_for(lock, name)) log = found->log;
    }
    if (!log) continue;
    if (auto applied = apply_rules(name, *log); !applied) failed.push_back(applied.error());
  }
  return failed;
}

}  // namespace runlog
