// A server of the socket protocol in this process, with tenants and tokens of its own.
#pragma once

#include <catch2/catch.hpp>

#include <memory>
#include <string>

#include "server/client/remote_log.h"
#include "server/protocol/session.h"
#include "server/tenants/tenants.h"
#include "server/tenants/token_file.h"
#include "server/tenants/tokens.h"
#include "server/transport/listener.h"
#include "tests/log_fixture.h"

namespace runlog {

class ServerFixture {
 public:
  // The SHA-256 of "rl_example", a token of acme that may do everything.
  static constexpr std::uint8_t kExampleHash[32] = {
      0x8d, 0xe4, 0xf6, 0xec, 0x3d, 0x34, 0x90, 0x94, 0x59, 0x18, 0x13,
      0x8b, 0x2e, 0x59, 0xa6, 0x89, 0xa5, 0xb7, 0x82, 0xb8, 0xa3, 0x61,
      0x08, 0x0a, 0xbc, 0xeb, 0x63, 0x98, 0x01, 0x50, 0xee, 0xb4};

  explicit ServerFixture(ListenOptions options = {}) : listen_options_(std::move(options)) {
    Token example;
    example.id = "example1";
    example.tenant = "acme";
    example.role = Role::kAdmin;
    std::copy(std::begin(kExampleHash), std::end(kExampleHash), example.sha256.begin());
    must(write_token_file(dir_ / "tokens.toml", {example}));
    auto loaded = Tokens::load(dir_.path());
    must(loaded);
    tokens_ = std::move(*loaded);
    TenantsOptions tenants_options;
    tenants_options.log = keep_all();
    tenants_ = std::make_unique<Tenants>(dir_.path(), tenants_options);
    must(tenants_->create("acme"));
    must(tenants_->create("other"));
    loop_ = std::make_unique<Loop>(2);
    server_ = std::make_unique<ProtocolServer>(*loop_, *tenants_, *tokens_);
    listen("tcp://127.0.0.1:0");
  }
  ~ServerFixture() {
    stop(std::chrono::milliseconds(0));
    server_.reset();
    loop_.reset();
  }

  // Closes every connection; start() listens on the same port again.
  void stop(std::chrono::milliseconds grace) {
    if (listener_) listener_->drain(grace);
    listener_.reset();
  }
  void start() { listen(address_.text()); }

  const Address& address() const { return address_; }
  ProtocolServer& server() { return *server_; }
  Tenants& tenants() { return *tenants_; }
  Tokens& tokens() { return *tokens_; }
  Loop& loop() { return *loop_; }
  Listener& listener() { return *listener_; }
  std::string token(const std::string& tenant, Role role) {
    auto created = tokens_->create(tenant, role, std::nullopt, 1);
    must(created);
    return created->secret;
  }
  ClientOptions client_options(const std::string& secret = "rl_example") const {
    ClientOptions options;
    options.address = address_;
    options.token = secret;
    return options;
  }
  std::unique_ptr<RemoteLog> connect(const std::string& secret = "rl_example") const {
    auto log = RemoteLog::connect(client_options(secret));
    must(log);
    return std::move(*log);
  }

 private:
  void listen(const std::string& where) {
    auto listener = Listener::open(*loop_, Address::parse(where).value(), listen_options_,
                                   sessions_of(*server_));
    must(listener);
    listener_ = std::move(*listener);
    address_ = listener_->address();
  }

  TempDir dir_;
  ListenOptions listen_options_;
  std::unique_ptr<Tokens> tokens_;
  std::unique_ptr<Tenants> tenants_;
  std::unique_ptr<Loop> loop_;
  std::unique_ptr<ProtocolServer> server_;
  std::unique_ptr<Listener> listener_;
  Address address_;
};

// A run as JSON, as an engine sends it.
inline std::string run_json(const std::string& id, const std::string& flow = "lead_routing",
                            const std::string& status = "completed") {
  return R"({"runId":")" + id + R"(","flowName":")" + flow + R"(","status":")" + status +
         R"(","startedAt":"2026-11-24T10:00:00.000Z","durationMs":120})";
}

}  // namespace runlog
