#include "server/transport/tls.h"

#include <openssl/err.h>
#include <openssl/ssl.h>
#include <openssl/x509v3.h>

#include <algorithm>

#include <fmt/format.h>

namespace runlog {
namespace {

constexpr std::size_t kPieceBytes = 16u << 10;  // the most that one TLS record holds

// What OpenSSL has to say, and nothing left over for the next caller.
std::string openssl_says() {
  char text[256] = "no reason is given";
  if (const unsigned long error = ERR_peek_last_error(); error != 0)
    ERR_error_string_n(error, text, sizeof text);
  ERR_clear_error();
  return text;
}

tl::unexpected<Error> refused(const std::string& what) {
  return fail(ErrorCode::InvalidArgument, fmt::format("{}: {}", what, openssl_says()));
}

struct FreeContext {
  void operator()(SSL_CTX* context) const { SSL_CTX_free(context); }
};
using OwnedContext = std::unique_ptr<SSL_CTX, FreeContext>;

OwnedContext make_context(const SSL_METHOD* method) {
  ERR_clear_error();
  OwnedContext context(SSL_CTX_new(method));
  SSL_CTX_set_min_proto_version(context.get(), TLS1_2_VERSION);
  SSL_CTX_set_options(context.get(), SSL_OP_NO_RENEGOTIATION | SSL_OP_NO_COMPRESSION);
  SSL_CTX_set_mode(context.get(),
                   SSL_MODE_RELEASE_BUFFERS | SSL_MODE_ACCEPT_MOVING_WRITE_BUFFER);
  return context;
}

Expected<void> use_certificate(SSL_CTX* context, const std::filesystem::path& certificate,
                               const std::filesystem::path& key) {
  if (SSL_CTX_use_certificate_chain_file(context, certificate.c_str()) != 1)
    return refused(fmt::format("the certificate {} cannot be used", certificate.string()));
  if (SSL_CTX_use_PrivateKey_file(context, key.c_str(), SSL_FILETYPE_PEM) != 1)
    return refused(fmt::format("the key {} cannot be used", key.string()));
  return {};
}

Expected<void> believe(SSL_CTX* context, const std::filesystem::path& ca) {
  if (SSL_CTX_load_verify_locations(context, ca.c_str(), nullptr) != 1)
    return refused(fmt::format("the certificates in {} cannot be used", ca.string()));
  return {};
}

}  // namespace

Expected<std::shared_ptr<const TlsContext>> TlsContext::for_server(
    const TlsServerOptions& options) {
  OwnedContext context = make_context(TLS_server_method());
  if (auto used = use_certificate(context.get(), options.certificate, options.key); !used)
    return tl::unexpected(used.error());
  if (!options.client_ca.empty()) {
    if (auto believed = believe(context.get(), options.client_ca); !believed)
      return tl::unexpected(believed.error());
    SSL_CTX_set_client_CA_list(context.get(), SSL_load_client_CA_file(options.client_ca.c_str()));
    SSL_CTX_set_verify(context.get(), SSL_VERIFY_PEER | SSL_VERIFY_FAIL_IF_NO_PEER_CERT, nullptr);
    // Sessions that are resumed would skip the check of a certificate.
    SSL_CTX_set_session_cache_mode(context.get(), SSL_SESS_CACHE_OFF);
    SSL_CTX_set_options(context.get(), SSL_OP_NO_TICKET);
  }
  return std::shared_ptr<const TlsContext>(new TlsContext(context.release(), true));
}

Expected<std::shared_ptr<const TlsContext>> TlsContext::for_client(
    const TlsClientOptions& options) {
  OwnedContext context = make_context(TLS_client_method());
  if (options.ca.empty()) {
    SSL_CTX_set_default_verify_paths(context.get());
  } else if (auto believed = believe(context.get(), options.ca); !believed) {
    return tl::unexpected(believed.error());
  }
  SSL_CTX_set_verify(context.get(), SSL_VERIFY_PEER, nullptr);
  if (!options.certificate.empty()) {
    if (auto used = use_certificate(context.get(), options.certificate, options.key); !used)
      return tl::unexpected(used.error());
  }
  return std::shared_ptr<const TlsContext>(new TlsContext(context.release(), false));
}

TlsContext::~TlsContext() { SSL_CTX_free(context_); }

TlsStream::TlsStream(std::shared_ptr<const TlsContext> context, const std::string& host)
    : context_(std::move(context)), ssl_(SSL_new(context_->context_)) {
  SSL_set_bio(ssl_, BIO_new(BIO_s_mem()), BIO_new(BIO_s_mem()));
  if (context_->is_server_) {
    SSL_set_accept_state(ssl_);
    return;
  }
  SSL_set_connect_state(ssl_);
  X509_VERIFY_PARAM* checks = SSL_get0_param(ssl_);
  if (X509_VERIFY_PARAM_set1_ip_asc(checks, host.c_str()) != 1) {
    ERR_clear_error();
    SSL_set_tlsext_host_name(ssl_, host.c_str());
    SSL_set1_host(ssl_, host.c_str());
  }
}

TlsStream::~TlsStream() { SSL_free(ssl_); }

Expected<void> TlsStream::shake_hands() {
  if (is_open_) return {};
  ERR_clear_error();
  const int result = SSL_do_handshake(ssl_);
  if (result == 1) {
    is_open_ = true;
    return {};
  }
  const int why = SSL_get_error(ssl_, result);
  if (why == SSL_ERROR_WANT_READ || why == SSL_ERROR_WANT_WRITE) return {};
  return refused("the TLS handshake failed");
}

Expected<void> TlsStream::open(std::string_view sealed, std::string& plain) {
  BIO_write(SSL_get_rbio(ssl_), sealed.data(), int(sealed.size()));
  if (auto done = shake_hands(); !done || !is_open_) return done;
  for (;;) {
    const std::size_t before = plain.size();
    plain.resize(before + kPieceBytes);
    ERR_clear_error();
    const int n = SSL_read(ssl_, plain.data() + before, int(kPieceBytes));
    plain.resize(before + std::size_t(std::max(n, 0)));
    if (n > 0) continue;
    const int why = SSL_get_error(ssl_, n);
    has_ended_ = has_ended_ || why == SSL_ERROR_ZERO_RETURN;
    if (why == SSL_ERROR_WANT_READ || why == SSL_ERROR_WANT_WRITE || has_ended_) return {};
    return refused("the TLS connection is broken");
  }
}

Expected<void> TlsStream::seal(std::string& plain, std::string& sealed) {
  if (auto done = shake_hands(); !done) {
    take_output(sealed);  // the alert that says why
    return done;
  }
  if (is_open_ && !plain.empty()) {
    ERR_clear_error();
    if (SSL_write(ssl_, plain.data(), int(plain.size())) <= 0)
      return refused("the TLS connection is broken");
    plain.clear();
  }
  take_output(sealed);
  return {};
}

void TlsStream::close(std::string& sealed) {
  if (!is_open_) return;
  SSL_shutdown(ssl_);
  ERR_clear_error();
  take_output(sealed);
}

void TlsStream::take_output(std::string& sealed) {
  BIO* out = SSL_get_wbio(ssl_);
  const std::size_t waiting = BIO_ctrl_pending(out);
  const std::size_t before = sealed.size();
  sealed.resize(before + waiting);
  if (waiting > 0) BIO_read(out, sealed.data() + before, int(waiting));
}

}  // namespace runlog
