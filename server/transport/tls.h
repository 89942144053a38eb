// TLS on top of a connection's bytes: OpenSSL with memory BIOs, so that sockets, queues and
// timeouts stay those of the transport. TLS 1.2 and up.
#pragma once

#include <filesystem>
#include <memory>
#include <string>
#include <string_view>

#include "index/error.h"

struct ssl_ctx_st;
struct ssl_st;

namespace runlog {

struct TlsServerOptions {
  std::filesystem::path certificate;  // PEM, with the chain that leads to its issuer
  std::filesystem::path key;          // PEM
  std::filesystem::path client_ca;    // PEM; empty: clients need no certificate
};

struct TlsClientOptions {
  std::filesystem::path ca;           // PEM, whom to believe; empty: whom the system believes
  std::filesystem::path certificate, key;  // PEM; empty: none is shown
};

// Certificates and what is accepted of the other side. Never changes; may be shared by threads.
class TlsContext {
 public:
  // Errors: InvalidArgument (a file cannot be read, is no certificate or key, or they don't fit;
  // names the file and what OpenSSL says).
  static Expected<std::shared_ptr<const TlsContext>> for_server(const TlsServerOptions& options);
  static Expected<std::shared_ptr<const TlsContext>> for_client(const TlsClientOptions& options);
  ~TlsContext();
  TlsContext(const TlsContext&) = delete;
  TlsContext& operator=(const TlsContext&) = delete;

 private:
  friend class TlsStream;
  TlsContext(ssl_ctx_st* context, bool is_server) : context_(context), is_server_(is_server) {}
  ssl_ctx_st* context_;
  bool is_server_;
};

// One connection's TLS. One thread at a time.
class TlsStream {
 public:
  // `host` is what a client checks the server's certificate for.
  TlsStream(std::shared_ptr<const TlsContext> context, const std::string& host);
  ~TlsStream();
  TlsStream(const TlsStream&) = delete;
  TlsStream& operator=(const TlsStream&) = delete;

  // Takes bytes from the network, appends what they say to `plain`. What must be answered, as in
  // the handshake, waits for seal(). Errors: InvalidArgument (not TLS, or a certificate that is
  // refused; says what OpenSSL says).
  Expected<void> open(std::string_view sealed, std::string& plain);
  // Takes `plain` and appends what goes to the network to `sealed`. Before the handshake is done
  // `plain` stays as it is. Errors: as open().
  Expected<void> seal(std::string& plain, std::string& sealed);
  // The last words; nothing can be sealed afterwards.
  void close(std::string& sealed);
  // The handshake is done.
  bool is_open() const { return is_open_; }
  // The other side has said its last words.
  bool has_ended() const { return has_ended_; }

 private:
  Expected<void> shake_hands();
  void take_output(std::string& sealed);

  std::shared_ptr<const TlsContext> context_;
  ssl_st* ssl_;
  bool is_open_ = false, has_ended_ = false;
};

}  // namespace runlog
