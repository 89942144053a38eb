#include <catch2/catch.hpp>

#include <future>
#include <thread>

#include "tests/server_fixture.h"
#include "tests/test_certificates.h"
#include "tests/test_socket.h"

using namespace runlog;
using Catch::Matchers::Contains;

namespace {

// A CA, a server's certificate from it for 127.0.0.1, a client's, and one of another CA.
struct Certificates {
  TempDir dir;
  TlsServerOptions server{dir / "server.crt", dir / "server.key", {}};
  TlsClientOptions client{dir / "ca.crt", {}, {}};

  Certificates() {
    const TestCertificate ca("CA"), other_ca("CA");
    ca.write(dir / "ca.crt", dir / "ca.key");
    TestCertificate("127.0.0.1", &ca).write(server.certificate, server.key);
    TestCertificate("10.1.1.1", &ca).write(dir / "client.crt", dir / "client.key");
    TestCertificate("10.1.1.1", &other_ca).write(dir / "stranger.crt", dir / "stranger.key");
    other_ca.write(dir / "other_ca.crt", dir / "other_ca.key");
  }
};

ListenOptions listen_with(const TlsServerOptions& tls) {
  ListenOptions options;
  auto context = TlsContext::for_server(tls);
  must(context);
  options.tls = *context;
  return options;
}

Expected<std::unique_ptr<RemoteLog>> connect(const ServerFixture& fixture,
                                             const TlsClientOptions& tls) {
  auto options = fixture.client_options();
  auto context = TlsContext::for_client(tls);
  must(context);
  options.tls = *context;
  return RemoteLog::connect(options);
}

}  // namespace

TEST_CASE("requests and large replies go through TLS") {
  Certificates certificates;
  ServerFixture fixture(listen_with(certificates.server));
  const auto log = connect(fixture, certificates.client);
  must(log);
  std::vector<std::string> texts;
  for (int i = 0; i < 1000; ++i) texts.push_back(run_json("run_" + std::to_string(i)));
  must((*log)->append({texts.begin(), texts.end()}));
  ListRequest request;
  request.limit = 1000;
  CHECK((*log)->list(request).value().runs.size() == 1000);
  CHECK((*log)->count({}).value() == 1000);
}

TEST_CASE("a server whose certificate nobody vouches for is not talked to") {
  Certificates certificates;
  ServerFixture fixture(listen_with(certificates.server));
  certificates.client.ca = certificates.dir / "other_ca.crt";
  CHECK(!connect(fixture, certificates.client));
}

TEST_CASE("where a CA for clients is configured, a client needs a certificate of it") {
  Certificates certificates;
  certificates.server.client_ca = certificates.dir / "ca.crt";
  ServerFixture fixture(listen_with(certificates.server));
  CHECK(!connect(fixture, certificates.client));
  certificates.client.certificate = certificates.dir / "stranger.crt";
  certificates.client.key = certificates.dir / "stranger.key";
  CHECK(!connect(fixture, certificates.client));
  certificates.client.certificate = certificates.dir / "client.crt";
  certificates.client.key = certificates.dir / "client.key";
  const auto log = connect(fixture, certificates.client);
  must(log);
  CHECK((*log)->count({}).value() == 0);
}

TEST_CASE("who does not speak TLS to a TLS listener is closed, and nobody else") {
  Certificates certificates;
  ServerFixture fixture(listen_with(certificates.server));
  for (const std::string& bytes : {std::string(300, '\0'), std::string("RLG\x01 hello, hello"),
                                   std::string("GET / HTTP/1.1\r\n\r\n")}) {
    TestSocket socket(fixture.address());
    REQUIRE(socket.send(bytes));
    CHECK(socket.receive_all().find("RLG") == std::string::npos);
  }
  CHECK(fixture.listener().counters().tls_errors == 3);
  must(connect(fixture, certificates.client));
}

TEST_CASE("certificate files that cannot be used are named") {
  Certificates certificates;
  certificates.server.certificate = certificates.dir / "missing.crt";
  CHECK_THAT(TlsContext::for_server(certificates.server).error().message, Contains("missing.crt"));
  certificates.server.certificate = certificates.dir / "client.crt";
  CHECK_THAT(TlsContext::for_server(certificates.server).error().message, Contains("server.key"));
}
