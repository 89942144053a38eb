#include <catch2/catch.hpp>

#include <cstring>
#include <future>
#include <latch>
#include <set>
#include <thread>

#include "server/protocol/wire_value.h"
#include "tests/server_fixture.h"
#include "tests/test_socket.h"

using namespace runlog;
using namespace std::chrono_literals;
using Catch::Matchers::Contains;

namespace {

std::string hello(const std::string& tenant, const std::string& token,
                  std::uint16_t lowest = 1, std::uint16_t highest = 1) {
  OutgoingMessage<wire::Hello> message;
  message->setLowestVersion(lowest);
  message->setHighestVersion(highest);
  if (!tenant.empty()) RUNLOG_SET_TEXT(*message, Tenant, tenant);
  if (!token.empty()) RUNLOG_SET_TEXT(*message, Token, token);
  return message.frame(std::uint16_t(Kind::kHello), 1);
}

std::string empty(Kind kind, std::uint64_t id, std::uint32_t deadline_ms = 0) {
  OutgoingMessage<wire::Empty> message;
  return message.frame(std::uint16_t(kind), id, deadline_ms);
}

std::string get(const std::string& run_id, std::uint64_t id) {
  OutgoingMessage<wire::Get> message;
  RUNLOG_SET_TEXT(*message, RunId, run_id);
  return message.frame(std::uint16_t(Kind::kGet), id);
}

std::string append(const std::string& json, std::uint64_t id, std::uint32_t deadline_ms = 0,
                   std::uint8_t encoding = 0) {
  OutgoingMessage<wire::Append> message;
  message->setEncoding(encoding);
  message->initRuns(1).set(0, data_of(json));
  return message.frame(std::uint16_t(Kind::kAppend), id, deadline_ms);
}

std::string follow(std::uint64_t id) {
  OutgoingMessage<wire::Follow> message;
  return message.frame(std::uint16_t(Kind::kFollow), id);
}

// Too long for the loop: a worker takes it.
const std::string kLongSpaces(40u << 10, ' ');

// Keeps the fixture's two workers busy while it lives.
class BusyWorkers {
 public:
  explicit BusyWorkers(Loop& loop) {
    const auto gate = go_.get_future().share();
    for (int i = 0; i < 2; ++i) {
      loop.work([this, gate] {
        busy_.count_down();
        gate.wait();
      });
    }
    busy_.wait();  // another lane's task may come before the second of these otherwise
  }
  ~BusyWorkers() { go_.set_value(); }

 private:
  std::promise<void> go_;
  std::latch busy_{2};
};

// What came back.
struct Received {
  FrameHeader header;
  std::vector<std::uint64_t> words;
  ReceivedMessage message() const { return ReceivedMessage(std::as_bytes(std::span(words))); }
  bool is_failure() const { return header.kind == kReply; }
};

Received receive(TestSocket& socket) {
  const std::string header = socket.receive(kFrameHeaderBytes);
  REQUIRE(header.size() == kFrameHeaderBytes);
  const auto read = read_frame_header(header, kMaxReplyBytes);
  REQUIRE(read);
  Received received{*read, std::vector<std::uint64_t>(read->body_bytes / 8)};
  const std::string body = socket.receive(read->body_bytes);
  REQUIRE(body.size() == read->body_bytes);
  std::memcpy(received.words.data(), body.data(), body.size());
  return received;
}

FailureCode failure_in(const Received& received) {
  REQUIRE(received.is_failure());
  auto message = received.message();
  return FailureCode(message.root<wire::Failure>().getCode());
}

// Says hello and takes the welcome.
void greet(TestSocket& socket, const std::string& token = "rl_example") {
  REQUIRE(socket.send(hello("", token)));
  REQUIRE(receive(socket).header.kind == (std::uint16_t(Kind::kHello) | kReply));
}

}  // namespace

TEST_CASE("requests that follow the hello at once are answered") {
  ServerFixture fixture;
  TestSocket socket(fixture.address());
  REQUIRE(socket.send(hello("acme", "rl_example") + append(run_json("run_1"), 2) +
                      empty(Kind::kPing, 3)));
  CHECK(receive(socket).header.request_id == 1);
  std::set<std::uint64_t> ids = {receive(socket).header.request_id,
                                 receive(socket).header.request_id};
  CHECK(ids == std::set<std::uint64_t>{2, 3});
  REQUIRE(socket.send(get("run_1", 4)));
  const Received got = receive(socket);
  REQUIRE(!got.is_failure());
  auto message = got.message();
  CHECK_THAT(std::string(bytes_of(message.root<wire::Got>().getRun())), Contains("run_1"));
}

TEST_CASE("a hello that is not right ends the connection, and says why") {
  ServerFixture fixture;
  const auto answer = [&](const std::string& bytes) {
    TestSocket socket(fixture.address());
    REQUIRE(socket.send(bytes));
    const FailureCode code = failure_in(receive(socket));
    CHECK(socket.receive_all().empty());
    return code;
  };
  CHECK(answer(hello("acme", "rl_wrong")) == FailureCode::kUnauthenticated);
  CHECK(answer(hello("other", "rl_example")) == FailureCode::kUnauthenticated);
  CHECK(answer(hello("../acme", "rl_example")) == FailureCode::kUnauthenticated);
  CHECK(answer(hello("acme", "")) == FailureCode::kUnauthenticated);
  CHECK(answer(hello("acme", "rl_example", 2, 9)) == FailureCode::kVersion);
  CHECK(answer(empty(Kind::kPing, 1)) == FailureCode::kProtocol);
  CHECK(answer(empty(Kind::kPing, 0)) == FailureCode::kProtocol);
  CHECK(answer("GET / HTTP/1.1\r\nHost: runlog\r\n\r\n") == FailureCode::kProtocol);
  CHECK(answer(hello("acme", std::string(5000, 'x'))) == FailureCode::kTooLarge);
}

TEST_CASE("who comes without a token is let in only where that is switched on, from this machine") {
  ServerFixture fixture;
  fixture.loop().call([&] { fixture.server().anonymous_tenant = "other"; });
  TestSocket socket(fixture.address());
  greet(socket, "");
  REQUIRE(socket.send(empty(Kind::kInfo, 2)));
  CHECK(!receive(socket).is_failure());
  TestSocket elsewhere(fixture.address());
  REQUIRE(elsewhere.send(hello("acme", "")));
  CHECK(failure_in(receive(elsewhere)) == FailureCode::kUnauthenticated);
}

TEST_CASE("a role allows what it says, and a revoked token nothing more") {
  ServerFixture fixture;
  const std::string reader = fixture.token("acme", Role::kRead);
  TestSocket socket(fixture.address());
  greet(socket, reader);
  REQUIRE(socket.send(empty(Kind::kPins, 2)));
  CHECK(!receive(socket).is_failure());
  for (const Kind kind : {Kind::kAppend, Kind::kPausedSave, Kind::kPausedClaim, Kind::kPin,
                          Kind::kSetPolicy, Kind::kSweep, Kind::kHideExpired}) {
    REQUIRE(socket.send(empty(kind, 3)));
    CHECK(failure_in(receive(socket)) == FailureCode::kForbidden);
  }
  REQUIRE(socket.send(empty(Kind(59), 4)));
  CHECK(failure_in(receive(socket)) == FailureCode::kUnknownKind);
  REQUIRE(socket.send(hello("acme", reader)));
  CHECK(failure_in(receive(socket)) == FailureCode::kProtocol);

  must(fixture.tokens().revoke(fixture.tokens().list().back().id));
  FailureCode code = FailureCode::kNotFound;
  for (std::uint64_t id = 10; code == FailureCode::kNotFound; ++id) {  // for at most a second
    REQUIRE(socket.send(get("none", id)));
    code = failure_in(receive(socket));
  }
  CHECK(code == FailureCode::kUnauthenticated);
}

TEST_CASE("a tenant cannot reach another one's runs") {
  ServerFixture fixture;
  const auto acme = fixture.connect();
  const auto other = fixture.connect(fixture.token("other", Role::kAdmin));
  must(acme->append({run_json("run_1")}));
  must(acme->save_paused(R"({"runId":"run_p","flowName":"f"})"));
  CHECK(other->get("run_1").error().code == ErrorCode::NotFound);
  CHECK(other->load_paused("run_p").error().code == ErrorCode::NotFound);
  CHECK(other->pin("run_1", "why", std::nullopt).error().code == ErrorCode::NotFound);
  CHECK(other->list({}).value().runs.empty());
  CHECK(other->erase_paused("run_p").value() == false);
  CHECK(other->claim_paused("run_p", std::nullopt, std::nullopt, "x").value().run == nullptr);
  // A cursor carries its log.
  must(acme->append({run_json("run_2")}));
  ListRequest first;
  first.limit = 1;
  const auto page = acme->list(first);
  must(page);
  first.cursor = page->next_cursor;
  REQUIRE(!first.cursor.empty());
  CHECK(other->list(first).error().code == ErrorCode::InvalidArgument);
  CHECK(acme->list(first).value().runs.size() == 1);
}

TEST_CASE("an unsound message fails its request and no other") {
  ServerFixture fixture;
  TestSocket socket(fixture.address());
  greet(socket);
  for (const Kind kind : {Kind::kGet, Kind::kList, Kind::kAppend, Kind::kFollow, Kind::kPausedSave,
                          Kind::kGroups, Kind::kCancel}) {
    // A pointer that leads far out of the message.
    std::string bytes = get("run", 7);
    const std::uint64_t pointer = (std::uint64_t(0xFFFF) << 32) | 0x7FFFFFFC;
    bytes.replace(kFrameHeaderBytes + 8, 8, reinterpret_cast<const char*>(&pointer), 8);
    const auto number = std::uint16_t(kind);
    bytes.replace(4, 2, reinterpret_cast<const char*>(&number), 2);
    REQUIRE(socket.send(bytes));
    const FailureCode code = failure_in(receive(socket));
    CHECK((code == FailureCode::kProtocol || code == FailureCode::kInvalid));
  }
  REQUIRE(socket.send(empty(Kind::kPing, 8)));
  CHECK(!receive(socket).is_failure());
}

TEST_CASE("the same id twice at a time ends the connection") {
  ServerFixture fixture;
  TestSocket socket(fixture.address());
  greet(socket);
  OutgoingMessage<wire::Follow> follow;
  const std::string frame = follow.frame(std::uint16_t(Kind::kFollow), 5);
  REQUIRE(socket.send(frame));
  CHECK(!receive(socket).is_failure());
  REQUIRE(socket.send(frame));
  CHECK(failure_in(receive(socket)) == FailureCode::kProtocol);
  CHECK(socket.receive_all().empty());
}

TEST_CASE("a hello that comes byte by byte has two seconds in all") {
  ListenOptions options;
  options.timeouts.first_message = 50ms;
  ServerFixture fixture(options);
  TestSocket socket(fixture.address());
  const std::string bytes = hello("acme", "rl_example");
  std::size_t sent = 0;
  while (sent < bytes.size() - 1 && socket.send(bytes.substr(sent++, 1)))
    std::this_thread::sleep_for(5ms);  // the sender is slow; nothing waits for it
  CHECK(socket.receive_all().empty());
  CHECK(fixture.listener().counters().timed_out == 1);
}

TEST_CASE("over the limits a request is put off with a retry time") {
  ServerFixture fixture;
  SECTION("too many in flight") {
    fixture.loop().call([&] { fixture.server().limits.connection_in_flight = 1; });
    TestSocket socket(fixture.address());
    greet(socket);
    OutgoingMessage<wire::Follow> follow;
    REQUIRE(socket.send(follow.frame(std::uint16_t(Kind::kFollow), 5)));
    CHECK(!receive(socket).is_failure());
    REQUIRE(socket.send(get("x", 6)));
    const Received refused = receive(socket);
    CHECK(failure_in(refused) == FailureCode::kOverloaded);
    auto message = refused.message();
    CHECK(message.root<wire::Failure>().getRetryAfterMs() > 0);
  }
  SECTION("too many bytes a second") {
    fixture.loop().call([&] { fixture.server().limits.tenant_bytes_per_second = 10; });
    TestSocket socket(fixture.address());
    greet(socket);
    REQUIRE(socket.send(get("x", 6) + get("x", 7)));
    static_cast<void>(receive(socket));
    CHECK(failure_in(receive(socket)) == FailureCode::kOverloaded);
    REQUIRE(socket.send(empty(Kind::kPing, 8)));
    CHECK(!receive(socket).is_failure());
  }
  SECTION("too many connections of a tenant") {
    fixture.loop().call([&] { fixture.server().limits.tenant_connections = 1; });
    TestSocket first(fixture.address()), second(fixture.address());
    greet(first);
    REQUIRE(second.send(hello("acme", "rl_example")));
    CHECK(failure_in(receive(second)) == FailureCode::kOverloaded);
    first.close();
  }
  CHECK(fixture.server().metrics.overloaded + fixture.server().metrics.by_kind[0].failures > 0);
}

TEST_CASE("a request that waits beyond its deadline is told so") {
  ServerFixture fixture;
  TestSocket socket(fixture.address());
  greet(socket);
  auto busy = std::make_unique<BusyWorkers>(fixture.loop());
  REQUIRE(socket.send(empty(Kind::kInfo, 2, 20)));
  CHECK(failure_in(receive(socket)) == FailureCode::kDeadline);
  // A cancelled one is answered too, and so is whoever cancels.
  REQUIRE(socket.send(empty(Kind::kInfo, 3)));
  OutgoingMessage<wire::Cancel> cancel;
  cancel->setRequestId(3);
  REQUIRE(socket.send(cancel.frame(std::uint16_t(Kind::kCancel), 4)));
  CHECK(failure_in(receive(socket)) == FailureCode::kCancelled);
  CHECK(receive(socket).header.request_id == 4);
  busy.reset();
  REQUIRE(socket.send(empty(Kind::kInfo, 5)));
  CHECK(receive(socket).header.request_id == 5);
}

TEST_CASE("a server that stops finishes what is in flight") {
  ServerFixture fixture;
  TestSocket socket(fixture.address());
  greet(socket);
  auto busy = std::make_unique<BusyWorkers>(fixture.loop());
  REQUIRE(socket.send(empty(Kind::kInfo, 2) + empty(Kind::kPing, 3)));
  CHECK(receive(socket).header.request_id == 3);  // so 2 has been taken
  auto stopped = std::async(std::launch::async, [&] { fixture.stop(20s); });
  busy.reset();
  CHECK(receive(socket).header.request_id == 2);
  CHECK(socket.receive_all().empty());
  socket.close();
  stopped.get();
}

TEST_CASE("an answer that is late goes to no other request that has its id meanwhile") {
  ServerFixture fixture;
  TestSocket socket(fixture.address());
  greet(socket);
  {
    const BusyWorkers busy(fixture.loop());
    REQUIRE(socket.send(empty(Kind::kInfo, 2, 20) +
                        append(run_json("run_1") + kLongSpaces, 3, 20)));
    CHECK(failure_in(receive(socket)) == FailureCode::kDeadline);
    CHECK(failure_in(receive(socket)) == FailureCode::kDeadline);
    REQUIRE(socket.send(empty(Kind::kPins, 2) +
                        append(run_json("run_2") + kLongSpaces, 3, 0, 77) +
                        empty(Kind::kPing, 4)));
    CHECK(receive(socket).header.request_id == 4);  // so the others have been taken
  }
  for (int i = 0; i < 2; ++i) {
    const Received reply = receive(socket);
    if (reply.header.request_id == 2) {
      CHECK(reply.header.kind == (std::uint16_t(Kind::kPins) | kReply));
    } else {
      CHECK(failure_in(reply) == FailureCode::kInvalid);
    }
  }
}

TEST_CASE("a hello has time while its log is opened") {
  ListenOptions options;
  options.timeouts.first_message = 200ms;
  ServerFixture fixture(options);
  TestSocket socket(fixture.address());
  {
    const BusyWorkers busy(fixture.loop());
    REQUIRE(socket.send(hello("acme", "rl_example")));
    TestSocket silent(fixture.address());  // comes later, and its time ends later
    CHECK(silent.receive_all().empty());
  }
  CHECK(receive(socket).header.kind == (std::uint16_t(Kind::kHello) | kReply));
}

TEST_CASE("what is given up counts as in flight until it is gone") {
  ServerFixture fixture;
  TestSocket socket(fixture.address());
  greet(socket);
  const BusyWorkers busy(fixture.loop());
  SECTION("by number") {
    fixture.loop().call([&] { fixture.server().limits.tenant_in_flight = 1; });
    REQUIRE(socket.send(empty(Kind::kInfo, 2, 20)));
  }
  SECTION("by bytes") {
    fixture.loop().call([&] { fixture.server().limits.tenant_body_bytes = kLongSpaces.size(); });
    REQUIRE(socket.send(append(run_json("run_1") + kLongSpaces, 2, 20)));
  }
  CHECK(failure_in(receive(socket)) == FailureCode::kDeadline);
  REQUIRE(socket.send(empty(Kind::kInfo, 3)));
  CHECK(failure_in(receive(socket)) == FailureCode::kOverloaded);
}

TEST_CASE("questions are put off while the peer does not read answers, and what was done is told") {
  ServerFixture fixture;
  TestSocket socket(fixture.address());
  greet(socket);
  fixture.loop().call([&] { fixture.server().limits.connection_waiting_bytes = 10; });
  REQUIRE(socket.send(empty(Kind::kInfo, 2)));
  CHECK(failure_in(receive(socket)) == FailureCode::kOverloaded);
  REQUIRE(socket.send(empty(Kind::kHideExpired, 3)));
  CHECK(!receive(socket).is_failure());
}

TEST_CASE("who follows with a token that is revoked is told so, and follows nothing more") {
  ServerFixture fixture;
  const std::string reader = fixture.token("acme", Role::kRead);
  TestSocket socket(fixture.address());
  greet(socket, reader);
  REQUIRE(socket.send(follow(2)));
  CHECK(!receive(socket).is_failure());
  must(fixture.tokens().revoke(fixture.tokens().list().back().id));
  CHECK(failure_in(receive(socket)) == FailureCode::kUnauthenticated);  // within about a second
}

TEST_CASE("a filter or a follow with too many values is refused") {
  ServerFixture fixture;
  TestSocket socket(fixture.address());
  greet(socket);
  OutgoingMessage<wire::Count> count;
  count->initFilter().initLabels(65);
  REQUIRE(socket.send(count.frame(std::uint16_t(Kind::kCount), 2)));
  CHECK(failure_in(receive(socket)) == FailureCode::kInvalid);
  OutgoingMessage<wire::Follow> many;
  many->initFlows(65);
  REQUIRE(socket.send(many.frame(std::uint16_t(Kind::kFollow), 3)));
  CHECK(failure_in(receive(socket)) == FailureCode::kInvalid);
  OutgoingMessage<wire::Count> most;
  most->initFilter().initLabels(64);
  REQUIRE(socket.send(most.frame(std::uint16_t(Kind::kCount), 4)));
  CHECK(!receive(socket).is_failure());
}

TEST_CASE("a tenant over its quota stores no paused run either, nor when its log was closed") {
  ServerFixture fixture;
  const auto log = fixture.connect();
  must(log->save_paused(R"({"runId":"run_p","flowName":"f"})"));
  TenantsOptions options;
  options.log = keep_all();
  options.max_bytes = 1;
  options.idle_after = 0ms;
  CHECK(fixture.tenants().set_options(options).empty());
  CHECK(log->save_paused(R"({"runId":"run_q","flowName":"f"})").error().code ==
        ErrorCode::DiskFull);
  CHECK(log->complete_paused(run_json("run_p", "f")).error().code == ErrorCode::DiskFull);
  while (fixture.tenants().opened("acme")) CHECK(fixture.tenants().tend().empty());
  CHECK(log->append({run_json("run_1")}).error().code == ErrorCode::DiskFull);
}
