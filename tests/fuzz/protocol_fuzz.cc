// Any bytes after a hello, to a server in this process: it answers or closes, and serves the next
// connection.
#include <unistd.h>

#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <memory>

#include "server/protocol/protocol.capnp.h"
#include "server/protocol/session.h"
#include "server/transport/listener.h"
#include "tests/temp_dir.h"
#include "tests/test_socket.h"

using namespace runlog;

namespace {

class Server {
 public:
  Server() {
    if (!tenants_.create("fuzz")) std::abort();
    server_.anonymous_tenant = "fuzz";
    server_.deadline_ms = 1000;
    const auto address = Address::parse("unix:" + (dir_ / "socket").string()).value();
    auto listener = Listener::open(loop_, address, {}, sessions_of(server_));
    if (!listener) std::abort();
    listener_ = std::move(*listener);
  }
  const Address& address() const { return listener_->address(); }

 private:
  TempDir dir_;
  std::unique_ptr<Tokens> tokens_ = Tokens::load(dir_.path()).value();
  Tenants tenants_{dir_.path()};
  Loop loop_{1};
  ProtocolServer server_{loop_, tenants_, *tokens_};
  std::unique_ptr<Listener> listener_;
};

std::string hello() {
  OutgoingMessage<wire::Hello> message;
  message->setLowestVersion(1);
  message->setHighestVersion(1);
  return message.frame(std::uint16_t(Kind::kHello), ~0ull);
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  static Server* const server = new Server;  // until the process ends
  TestSocket socket(server->address());
  socket.send(hello());
  socket.send({reinterpret_cast<const char*>(data), size});
  socket.end_sending();
  socket.receive_all();  // until the server closes
  return 0;
}
