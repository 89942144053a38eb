// How much a connection and a tenant may ask for at a time, and how much they do. Belongs to the
// loop's thread, but for what says otherwise.
#pragma once

#include <algorithm>
#include <atomic>
#include <cstdint>
#include <map>
#include <memory>
#include <string>
#include <string_view>

namespace runlog {

struct LoadLimits {
  std::uint32_t connection_in_flight = 1024;
  std::uint32_t tenant_in_flight = 8192;
  std::uint32_t tenant_connections = 2000;
  // Of requests that are in flight, in bodies. A connection's replies that its peer does not take:
  // over it, questions are not answered.
  std::uint64_t tenant_body_bytes = 256u << 20;
  std::uint64_t connection_waiting_bytes = 16u << 20;
  // Of requests and replies together; 0: no limit.
  std::uint64_t connection_bytes_per_second = 0;
  std::uint64_t tenant_bytes_per_second = 0;
};

// Bytes over time. May go into debt: what is over the rate is refused until it is paid.
class ByteRate {
 public:
  // How long to wait until the debt is paid, in milliseconds; 0: there is none.
  std::uint32_t wait_ms(std::uint64_t bytes_per_second, std::uint64_t now_ms) {
    if (bytes_per_second == 0) return 0;
    pay(bytes_per_second, now_ms);
    return std::uint32_t(std::min<std::uint64_t>(debt_ * 1000 / bytes_per_second, 60'000));
  }
  void take(std::uint64_t bytes) { debt_ += bytes; }

 private:
  void pay(std::uint64_t bytes_per_second, std::uint64_t now_ms) {
    const std::uint64_t paid = std::min(now_ms - paid_at_, std::uint64_t(1'000'000)) *
                               bytes_per_second / 1000;
    if (paid == 0) return;  // a fraction of a byte is not lost
    debt_ -= std::min(debt_, paid);
    paid_at_ = now_ms;
  }
  std::uint64_t debt_ = 0, paid_at_ = 0;
};

// What all connections of one tenant do.
struct TenantLoad {
  std::uint32_t connections = 0;
  // Any thread; see InFlight.
  std::atomic<std::uint32_t> in_flight{0};
  std::atomic<std::uint64_t> body_bytes{0};
  ByteRate bytes;
};

// One request's part of its tenant's load. Held by whatever still has its body or works for its
// reply, on any thread: who gives up waiting gets no room for more until that is gone too.
class InFlight {
 public:
  InFlight(std::shared_ptr<TenantLoad> load, std::uint64_t body_bytes)
      : load_(std::move(load)), body_bytes_(body_bytes) {
    ++load_->in_flight;
    load_->body_bytes += body_bytes_;
  }
  ~InFlight() {
    --load_->in_flight;
    load_->body_bytes -= body_bytes_;
  }
  InFlight(const InFlight&) = delete;
  InFlight& operator=(const InFlight&) = delete;

  // Nobody waits for the reply any more: it was answered, cancelled, late or its client is gone.
  std::atomic<bool> given_up{false};

 private:
  const std::shared_ptr<TenantLoad> load_;
  const std::uint64_t body_bytes_;
};
using InFlightPtr = std::shared_ptr<InFlight>;

class TenantLoads {
 public:
  // The same object for as long as somebody holds it.
  std::shared_ptr<TenantLoad> of(std::string_view tenant) {
    std::erase_if(loads_, [](const auto& each) { return each.second.expired(); });
    auto& entry = loads_[std::string(tenant)];
    auto load = entry.lock();
    if (!load) entry = load = std::make_shared<TenantLoad>();
    return load;
  }

 private:
  std::map<std::string, std::weak_ptr<TenantLoad>, std::less<>> loads_;
};

}  // namespace runlog
