// The HTTP door in this process, on a real socket, with tenants and tokens of its own; and a client.
#pragma once

#include <catch2/catch.hpp>

#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "server/http/http_connection.h"
#include "server/tenants/tenants.h"
#include "server/tenants/tokens.h"
#include "server/transport/listener.h"
#include "tests/log_fixture.h"
#include "tests/test_socket.h"

namespace runlog {

class HttpFixture {
 public:
  explicit HttpFixture(std::chrono::milliseconds idle_after = std::chrono::hours(1))
      : tenants_(folder_.path(), options_of(idle_after)) {
    auto tokens = Tokens::load(folder_.path());
    must(tokens);
    tokens_ = std::move(*tokens);
    door_.reset(new HttpDoor{tenants_, *tokens_, loads_});
    door_->metrics_text = [] { return std::string("runlog_up 1\n"); };
    must(tenants_.create("acme"));
    auto listener = Listener::open(loop_, Address::parse("tcp://127.0.0.1:0").value(), {},
                                   [this](Connection& connection) {
                                     return std::make_unique<HttpConnection>(connection, *door_);
                                   });
    must(listener);
    listener_ = std::move(*listener);
  }
  ~HttpFixture() {
    listener_.reset();
    loop_.stop();
  }

  std::string token(const std::string& tenant, Role role) {
    auto made = tokens_->create(tenant, role, std::nullopt, 0);
    must(made);
    ids_.push_back(made->token.id);
    return made->secret;
  }
  void revoke_last() { must(tokens_->revoke(ids_.back())); }
  void append(const std::string& tenant, const std::string& id) {
    auto log = tenants_.open(tenant);
    must(log);
    must((*log)->append(SampleRun(id).run()));
  }
  // Changes what the door allows, on the loop.
  void set(const std::function<void(HttpDoor&)>& change) {
    loop_.call([&] { change(*door_); });
  }
  // Waits until something of the door holds.
  void wait_until(const std::function<bool(HttpDoor&)>& holds) {
    const auto patience = std::chrono::steady_clock::now() + std::chrono::seconds(20);
    while (!loop_.call([&] { return holds(*door_); }))
      if (std::chrono::steady_clock::now() > patience) FAIL("that did not happen within 20 s");
  }
  Loop& loop() { return loop_; }
  void let_anybody_be_acme(Role role = Role::kRead) {
    set([&](HttpDoor& door) { door.anonymous = Grant{"acme", role, ""}; });
  }
  Tenants& tenants() { return tenants_; }
  Listener& listener() { return *listener_; }
  const Address& address() const { return listener_->address(); }

 private:
  static TenantsOptions options_of(std::chrono::milliseconds idle_after) {
    TenantsOptions options;
    options.log = keep_all();
    options.idle_after = idle_after;
    return options;
  }

  TempDir folder_;
  Tenants tenants_;
  std::unique_ptr<Tokens> tokens_;
  std::vector<std::string> ids_;
  TenantLoads loads_;
  std::unique_ptr<HttpDoor> door_;
  Loop loop_{2};
  std::unique_ptr<Listener> listener_;
};

struct HttpReply {
  std::string head, body;
  std::string status() const { return head.substr(9, 3); }
};

class HttpClient {
 public:
  explicit HttpClient(const HttpFixture& server) : socket_(server.address()) {}
  void send(const std::string& text) { REQUIRE(socket_.send(text)); }
  void ask(const std::string& target, const std::string& fields = "",
           const std::string& method = "GET") {
    send(method + " " + target + " HTTP/1.1\r\nHost: localhost\r\n" + fields + "\r\n");
  }
  HttpReply read(bool has_body = true) {
    HttpReply reply;
    reply.head = socket_.receive_until("\r\n\r\n");
    const std::size_t length = reply.head.find("Content-Length: ");
    if (has_body && length != std::string::npos) {
      reply.body = socket_.receive(std::stoul(reply.head.substr(length + 16)));
    }
    return reply;
  }
  HttpReply get(const std::string& target, const std::string& fields = "") {
    ask(target, fields);
    return read();
  }
  TestSocket& socket() { return socket_; }
  bool is_closed() { return socket_.receive(1).empty(); }

 private:
  TestSocket socket_;
};

inline std::string bearer(const std::string& token) {
  return "Authorization: Bearer " + token + "\r\n";
}

}  // namespace runlog
