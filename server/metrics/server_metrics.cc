#include "server/metrics/server_metrics.h"

#include <algorithm>
#include <array>
#include <tuple>
#include <utility>

#include "log/commit_counters.h"
#include "server/metrics/metrics_text.h"

namespace runlog {
namespace {

using Count = std::atomic<std::uint64_t>;

double value_of(const Count& count) { return double(count.load(std::memory_order_relaxed)); }

// ---- requests --------------------------------------------------------------------------------

template <typename Visit>
void for_each_kind(const ServerMetrics& server, Visit&& visit) {
  for (const MeasuredDoor& door : server.doors)
    for (unsigned kind = 0; kind < ProtocolMetrics::kKinds; ++kind) {
      const auto& counts = door.requests.by_kind[kind];
      const std::string_view name = door.kind_name(kind);
      if (!name.empty() && counts.requests > 0) visit(door.name, name, counts);
    }
}

void write_requests(const ServerMetrics& server, MetricsText& text) {
  text.begin("runlog_requests_total", "counter", "Requests that were answered.");
  for_each_kind(server, [&](std::string_view door, std::string_view kind, const auto& counts) {
    const double failed = value_of(counts.failures);
    const double all = std::max(value_of(counts.requests), failed);
    text.sample({{"door", door}, {"kind", kind}, {"status", "ok"}}, all - failed);
    text.sample({{"door", door}, {"kind", kind}, {"status", "failed"}}, failed);
  });

  // Every second power of two, from 16 µs to 4 s, is enough to see what is slow.
  constexpr unsigned kFirst = 4, kStep = 2, kBounds = 10;
  std::array<double, kBounds> bounds;
  for (unsigned i = 0; i < kBounds; ++i) bounds[i] = double(1u << (kFirst + i * kStep)) / 1e6;
  text.begin("runlog_request_seconds", "histogram", "From a request's last byte to its answer.");
  for_each_kind(server, [&](std::string_view door, std::string_view kind, const auto& counts) {
    std::array<std::uint64_t, kBounds + 1> by_bound{};
    for (unsigned n = 0; n < ProtocolMetrics::kBuckets; ++n) {
      const unsigned bound = n <= kFirst ? 0 : (n - kFirst + kStep - 1) / kStep;
      by_bound[std::min(bound, kBounds)] += counts.by_microseconds[n];
    }
    text.histogram({{"door", door}, {"kind", kind}}, bounds, by_bound,
                   value_of(counts.microseconds) / 1e6);
  });

  text.begin("runlog_requests_in_flight", "gauge", "Requests that wait for their answer.");
  for (const MeasuredDoor& door : server.doors)
    text.sample({{"door", door.name}}, value_of(door.requests.in_flight));
  text.begin("runlog_requests_overloaded_total", "counter", "Requests refused for being too many.");
  for (const MeasuredDoor& door : server.doors)
    text.sample({{"door", door.name}}, value_of(door.requests.overloaded));
}

// ---- connections -----------------------------------------------------------------------------

void write_connections(const ServerMetrics& server, MetricsText& text) {
  struct Metric {
    const char *name, *type, *help;
    Count TransportCounters::*count;
  };
  static constexpr Metric kMetrics[] = {
      {"runlog_connections", "gauge", "Connections that are open.", &TransportCounters::open},
      {"runlog_connections_accepted_total", "counter", "Connections that were accepted.",
       &TransportCounters::accepted},
      {"runlog_connections_refused_total", "counter", "Connections over the limit.",
       &TransportCounters::refused},
      {"runlog_connections_timed_out_total", "counter", "Connections closed for being silent.",
       &TransportCounters::timed_out},
      {"runlog_accept_errors_total", "counter", "Connections that the system could not give.",
       &TransportCounters::accept_errors},
      {"runlog_received_bytes_total", "counter", "Bytes received.",
       &TransportCounters::received_bytes},
      {"runlog_sent_bytes_total", "counter", "Bytes sent.", &TransportCounters::sent_bytes}};
  for (const Metric& metric : kMetrics) {
    text.begin(metric.name, metric.type, metric.help);
    for (const MeasuredAddress& address : server.addresses)
      text.sample({{"address", address.address}}, value_of(address.connections.*metric.count));
  }
}

// ---- logs ------------------------------------------------------------------------------------

void write_commits(MetricsText& text) {
  const CommitCounters& counters = commit_counters();
  std::array<double, CommitCounters::kBuckets - 1> bounds;
  for (std::size_t n = 0; n < bounds.size(); ++n) bounds[n] = double(1u << n);
  std::array<std::uint64_t, CommitCounters::kBuckets> counts;
  for (std::size_t n = 0; n < counts.size(); ++n) counts[n] = counters.by_runs[n];
  text.begin("runlog_commit_runs", "histogram", "Commits, by the number of runs in each.");
  text.histogram({}, bounds, counts, value_of(counters.runs));
  text.one("runlog_commits_failed_total", "counter", "Commits that failed.",
           value_of(counters.failed));
}

// The largest first; those beyond the cap are one.
std::vector<TenantSummary> largest_of(std::vector<TenantSummary> open, std::size_t most) {
  std::sort(open.begin(), open.end(), [](const TenantSummary& a, const TenantSummary& b) {
    return std::tie(b.bytes, a.name) < std::tie(a.bytes, b.name);
  });
  if (open.size() <= most) return open;
  TenantSummary others;
  others.name = "(others)";
  for (std::size_t i = most; i < open.size(); ++i) {
    others.runs += open[i].runs;
    others.bytes += open[i].bytes;
    others.segments += open[i].segments;
    others.index_memory_bytes += open[i].index_memory_bytes;
  }
  open.resize(most);
  open.push_back(std::move(others));
  return open;
}

void write_tenants(const ServerMetrics& server, MetricsText& text) {
  auto open = server.tenants.open_tenants();
  text.one("runlog_tenants_open", "gauge", "Tenants whose logs are open.", double(open.size()));
  const auto measured = largest_of(std::move(open), server.most_tenants);
  struct Metric {
    const char *name, *help;
    std::uint64_t TenantSummary::*count;
  };
  static constexpr Metric kMetrics[] = {
      {"runlog_tenant_runs", "Visible runs.", &TenantSummary::runs},
      {"runlog_tenant_bytes", "Bytes of the log's files.", &TenantSummary::bytes},
      {"runlog_tenant_segments", "Segments.", &TenantSummary::segments},
      {"runlog_tenant_index_memory_bytes", "Memory of the indexes.",
       &TenantSummary::index_memory_bytes}};
  for (const Metric& metric : kMetrics) {
    text.begin(metric.name, "gauge", metric.help);
    for (const TenantSummary& tenant : measured)
      text.sample({{"tenant", tenant.name}}, double(tenant.*metric.count));
  }
}

}  // namespace

std::string metrics_text(const ServerMetrics& server) {
  MetricsText text;
  write_requests(server, text);
  write_connections(server, text);
  write_commits(text);
  text.one("runlog_work_waiting", "gauge", "Tasks that wait for a worker thread.",
           double(server.loop.waiting_work()));
  write_tenants(server, text);
  return text.take();
}

}  // namespace runlog
