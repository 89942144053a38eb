// The tenants of a data directory and their open logs. A tenant's log is opened for writing when
// somebody first asks for it and closed again when nobody has used it for a while, so that a
// tenant that rests costs nothing but its files.
//
// Invariant: of a tenant at most one Log is open in this process, and whoever asks gets that one.
// All functions are thread-safe.
#pragma once

#include <chrono>
#include <condition_variable>
#include <cstdint>
#include <filesystem>
#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "index/error.h"
#include "log/log.h"

namespace runlog {

// What one tenant has otherwise than the others.
struct TenantRules {
  std::optional<std::uint64_t> max_bytes;    // its quota, in place of TenantsOptions::max_bytes
  std::optional<RetentionPolicy> retention;  // see TenantsOptions::rules
};

struct TenantsOptions {
  LogOptions log;  // of every tenant; log.retention is what a new one keeps
  // A log that nobody used for so long is closed.
  std::chrono::milliseconds idle_after{10 * 60'000};
  // What the indexes of all active segments may take together; over it, the largest are sealed
  // before they are full. 1 GiB are about 10 million runs.
  std::uint64_t index_memory_bytes = 1ull << 30;
  // What the files of one tenant's log may take; over it, nothing is appended. 0: no quota.
  std::uint64_t max_bytes = 0;
  // By tenant. A retention that stands here holds: its log gets these rules whenever it is opened
  // and when they change; only what it cannot name, rules for single flows and the archive, stays.
  std::map<std::string, TenantRules, std::less<>> rules;
};

struct TenantSummary {
  std::string name;
  bool is_open = false;          // for writing, by this process or another
  std::uint64_t runs = 0;        // visible
  std::uint64_t bytes = 0;       // of its files
  std::uint64_t segments = 0;
  std::uint64_t index_memory_bytes = 0;
  std::optional<Error> problem;  // why the rest is not known
};

class Tenants {
 public:
  // Touches no file.
  explicit Tenants(std::filesystem::path data, TenantsOptions options = {});
  // Closes what is open.
  ~Tenants();
  Tenants(const Tenants&) = delete;
  Tenants& operator=(const Tenants&) = delete;

  const std::filesystem::path& data() const { return data_; }

  // The tenant's log, opened for writing if it is not. Blocks while it is opened or closed. The log
  // stays open as long as somebody holds it: keep it for a request, not for a connection, and as
  // long as a snapshot of it.
  // Errors: InvalidArgument (no tenant's name); NotFound (there is no such tenant); Closed (after
  // close_all); those of Log::open.
  Expected<std::shared_ptr<Log>> open(std::string_view tenant);
  // The same without waiting: null when it is not open, or is being opened or closed.
  std::shared_ptr<Log> opened(std::string_view tenant);
  // The same for those who only look whether there is news: the log becomes idle all the same.
  std::shared_ptr<Log> glance(std::string_view tenant);

  // Makes a tenant with an empty log, on disk when this returns. Does not leave it open.
  // Errors: InvalidArgument (no tenant's name; it exists already); those of Log::open.
  Expected<void> create(std::string_view tenant);
  // Removes a tenant and all its runs for good, or what an interrupted call has left of them.
  // Errors: InvalidArgument (no tenant's name);
  // NotFound; Busy (its log is in use here, or open in another process); IoError.
  Expected<void> remove(std::string_view tenant);
  // Every tenant, by name. Reads the logs that are not open, which takes a moment for each.
  // Errors: IoError (the data directory cannot be read; a log that cannot is a `problem`).
  Expected<std::vector<TenantSummary>> list();

  // Whether the tenant may store more: its quota against what its files took when measure()
  // last looked, and what was admitted since. Errors: DiskFull (over the quota; names it).
  Expected<void> admit(std::string_view tenant, std::uint64_t bytes);

  // What must be done about once a second, by a thread that may wait for long: closes logs that are
  // idle, seals the largest active segments while all are over their budget, as measure() saw them.
  // Returns what failed.
  std::vector<Error> tend();
  // Looks how much the open logs store; likewise, but without waiting for any of them.
  void measure();
  // What is open now, from memory alone, as measure() saw it.
  std::vector<TenantSummary> open_tenants();

  // Takes other options; those of `log` hold for logs that are opened from now on. Returns what
  // failed when tenants that are open got the rules that changed. May wait for the disk.
  std::vector<Error> set_options(TenantsOptions options);

  // Opens nothing any more, syncs and closes what is open. Logs that are still held by somebody are
  // closed all the same: appends fail, snapshots stay readable. Returns what failed.
  std::vector<Error> close_all();

 private:
  struct Tenant {
    bool is_busy = false;  // one thread opens, closes or removes it; the others wait
    std::shared_ptr<Log> log;
    std::chrono::steady_clock::time_point used;
    LogInfo measured;                  // when it was opened, and by measure()
    std::uint64_t admitted_bytes = 0;  // since then
  };
  using Lock = std::unique_lock<std::mutex>;

  Tenant* wait_for(Lock& lock, std::string_view tenant);
  Expected<void> reserve(Lock& lock, std::string_view tenant);
  void release(std::string_view tenant, std::shared_ptr<Log> log);
  Expected<std::shared_ptr<Log>> open_log(const std::string& tenant, LogOptions options);
  Expected<void> apply_rules(const std::string& tenant, Log& log);
  std::filesystem::path directory(std::string_view tenant) const { return data_ / tenant; }
  TenantSummary summary_of(const std::string& tenant);
  static void copy(const LogInfo& info, TenantSummary& summary);

  bool is_idle(const Tenant& tenant) const;
  bool reserve_idle(std::string_view name);
  std::optional<Error> close_reserved(std::string_view tenant);
  void close_idle(std::vector<Error>& failed);
  std::vector<std::pair<std::string, std::shared_ptr<Log>>> open_logs();
  void seal_largest(std::vector<Error>& failed);

  const std::filesystem::path data_;
  std::mutex mutex_;  // guards all below; never held while a file is read or written
  std::condition_variable changed_;
  TenantsOptions options_;
  bool is_closed_ = false;
  std::map<std::string, Tenant, std::less<>> tenants_;  // those that are open or busy
};

}  // namespace runlog
