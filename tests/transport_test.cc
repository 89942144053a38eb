#include <catch2/catch.hpp>
#include <fcntl.h>
#include <sys/resource.h>

#include <algorithm>
#include <atomic>
#include <fstream>
#include <future>
#include <latch>

#include "server/transport/listener.h"
#include "tests/temp_dir.h"
#include "tests/test_socket.h"

using namespace runlog;
using namespace std::chrono_literals;

namespace {

// Sends back what comes. Some lines are commands.
class Echo : public Protocol {
 public:
  using Protocol::Protocol;
  void on_bytes(std::string_view bytes) override {
    connection_.finish_within(std::nullopt);
    kept_ += bytes;
    for (std::size_t end; (end = kept_.find('\n')) != std::string::npos;) {
      const std::string line = kept_.substr(0, end + 1);
      kept_.erase(0, end + 1);
      if (line == "bye\n") return connection_.close_after_writing();
      if (line == "peer\n") {
        connection_.write(connection_.peer() + (connection_.is_local() ? " local\n" : "\n"));
        continue;
      }
      if (line == "later\n") {
        answer_later();
        continue;
      }
      connection_.write(line);
    }
  }

 private:
  void answer_later() {
    Loop& loop = connection_.loop();
    loop.work([&loop, connection = connection_.weak_from_this()] {
      loop.post([connection] {
        if (auto alive = connection.lock()) alive->write("now\n");
      });
    });
  }
  std::string kept_;
};

template <typename Made>
Listener::ProtocolFactory makes() {
  return [](Connection& connection) { return std::make_unique<Made>(connection); };
}

Address address(const std::string& text) { return Address::parse(text).value(); }

std::unique_ptr<Listener> listen(Loop& loop, const std::string& text, ListenOptions options = {},
                                 Listener::ProtocolFactory factory = makes<Echo>()) {
  auto listener = Listener::open(loop, address(text), std::move(options), std::move(factory));
  if (!listener) throw std::runtime_error(listener.error().message);
  return std::move(*listener);
}

}  // namespace

TEST_CASE("an address is read as it is written") {
  for (const char* text : {"tcp://127.0.0.1:7414", "tcp://[::1]:0", "tcp://localhost:65535",
                           "unix:/run/runlog.sock", "unix:here"}) {
    CHECK(address(text).text() == text);
  }
  CHECK(address("127.0.0.1:1").text() == "tcp://127.0.0.1:1");
  CHECK(address("unix:///run/x").path == "/run/x");
  for (const char* text : {"", "tcp://", "localhost", "tcp://localhost", "tcp://:1", "tcp://h:65536",
                           "tcp://h:1x", "tcp://h:-1", "tcp://::1:5", "http://h:1", "unix:"}) {
    INFO(text);
    CHECK(!Address::parse(text));
  }
}

TEST_CASE("bytes go to and fro over TCP, IPv6 and unix sockets") {
  const TempDir folder;
  Loop loop(1);
  for (const std::string& where : {std::string("tcp://127.0.0.1:0"), std::string("tcp://[::1]:0"),
                                   "unix:" + (folder / "socket").string()}) {
    INFO(where);
    const auto listener = listen(loop, where);
    CHECK(address(listener->address().text()).text() == listener->address().text());
    TestSocket socket(listener->address());
    REQUIRE(socket.send("one\ntw"));
    CHECK(socket.receive(4) == "one\n");
    REQUIRE(socket.send("o\npeer\n"));
    CHECK(socket.receive(4) == "two\n");
    CHECK(socket.receive_until("\n").find(" local") != std::string::npos);
    CHECK(listener->counters().received_bytes == 13);
    CHECK(listener->counters().open == 1);
  }
}

TEST_CASE("a socket file that nobody listens on is replaced, one in use and other files are not") {
  const TempDir folder;
  const std::string where = "unix:" + (folder / "socket").string();
  Loop loop(1);
  const auto stale = ::socket(AF_UNIX, SOCK_STREAM, 0);
  const auto at = address(where).resolve().value().front();
  REQUIRE(::bind(stale, reinterpret_cast<const sockaddr*>(&at), sizeof(sockaddr_un)) == 0);
  ::close(stale);

  const auto listener = listen(loop, where);
  TestSocket socket(listener->address());
  CHECK(socket.send("x\n"));
  CHECK(socket.receive(2) == "x\n");
  const auto second = Listener::open(loop, address(where), {}, makes<Echo>());
  REQUIRE(!second);
  CHECK(second.error().code == ErrorCode::Busy);

  std::ofstream(folder / "file") << "text";
  const auto third =
      Listener::open(loop, address("unix:" + (folder / "file").string()), {}, makes<Echo>());
  REQUIRE(!third);
  CHECK(third.error().code == ErrorCode::Busy);
  CHECK(std::filesystem::exists(folder / "file"));
  CHECK(!Listener::open(loop, address("unix:" + std::string(200, 'x')), {}, makes<Echo>()));
  CHECK(!Listener::open(loop, address("tcp://no such host:1"), {}, makes<Echo>()));
}

TEST_CASE("a port in use is refused") {
  Loop loop(1);
  const auto listener = listen(loop, "tcp://127.0.0.1:0");
  const auto second = Listener::open(loop, listener->address(), {}, makes<Echo>());
  REQUIRE(!second);
  CHECK(second.error().code == ErrorCode::Busy);
}

namespace {

// Answers each byte with 4 KiB, and counts how much it is asked for while congested.
class Flood : public Protocol {
 public:
  static inline std::atomic<std::size_t> most_waiting{0}, drained{0};
  using Protocol::Protocol;
  void on_bytes(std::string_view bytes) override {
    connection_.finish_within(std::nullopt);
    owed_ += bytes.size();
    pay();
  }
  void on_drained() override {
    ++drained;
    pay();
  }

 private:
  void pay() {
    for (; owed_ > 0 && !connection_.is_congested(); --owed_) {
      connection_.write(std::string(4096, 'x'));
    }
    most_waiting = std::max(most_waiting.load(), connection_.waiting_bytes());
  }
  std::size_t owed_ = 0;
};

}  // namespace

TEST_CASE("a peer that does not read is not read from, and gets everything once it reads") {
  Loop loop(1);
  const auto listener = listen(loop, "tcp://127.0.0.1:0", {}, makes<Flood>());
  Flood::most_waiting = Flood::drained = 0;
  constexpr std::size_t kAsked = 4096;
  TestSocket socket(listener->address(), 16 << 10);
  REQUIRE(socket.send(std::string(kAsked, '?')));
  CHECK(socket.receive(kAsked * 4096).size() == kAsked * 4096);
  CHECK(Flood::drained > 0);
  CHECK(Flood::most_waiting <= Connection::kCongestedBytes + 4096);
}

TEST_CASE("who says nothing, stays idle or reads nothing is closed") {
  Loop loop(1);
  ListenOptions options;
  SECTION("no first message") {
    options.timeouts.first_message = 30ms;
    const auto listener = listen(loop, "tcp://127.0.0.1:0", options);
    TestSocket socket(listener->address());
    CHECK(socket.receive_all().empty());
    CHECK(listener->counters().timed_out == 1);
  }
  SECTION("idle after a message") {
    options.timeouts.first_message = 20s;
    options.timeouts.idle = 30ms;
    const auto listener = listen(loop, "tcp://127.0.0.1:0", options);
    TestSocket socket(listener->address());
    REQUIRE(socket.send("x\n"));
    CHECK(socket.receive_all() == "x\n");
    CHECK(listener->counters().timed_out == 1);
  }
  SECTION("answers are not taken") {
    options.timeouts.write = 50ms;
    std::promise<void> closed;
    struct Watched : Flood {
      Watched(Connection& connection, std::promise<void>& promise)
          : Flood(connection), closed_(promise) {}
      void on_closed() override { closed_.set_value(); }
      std::promise<void>& closed_;
    };
    const auto listener =
        listen(loop, "tcp://127.0.0.1:0", options, [&closed](Connection& connection) {
          return std::make_unique<Watched>(connection, closed);
        });
    TestSocket socket(listener->address(), 16 << 10);
    REQUIRE(socket.send(std::string(4096, '?')));
    REQUIRE(closed.get_future().wait_for(20s) == std::future_status::ready);
    CHECK(listener->counters().timed_out == 1);
  }
}

TEST_CASE("what was written before a close arrives, although the peer had sent more") {
  Loop loop(1);
  const auto listener = listen(loop, "tcp://127.0.0.1:0");
  TestSocket socket(listener->address());
  std::string sent;
  for (int i = 0; i < 1000; ++i) sent += "line " + std::to_string(i) + "\n";
  REQUIRE(socket.send(sent + "bye\n" + std::string(500'000, 'x')));
  CHECK(socket.receive_all() == sent);
}

TEST_CASE("a peer that ends its sending still gets its answers") {
  Loop loop(1);
  const auto listener = listen(loop, "tcp://127.0.0.1:0");
  TestSocket socket(listener->address());
  REQUIRE(socket.send("a\nb\n"));
  socket.end_sending();
  CHECK(socket.receive_all() == "a\nb\n");
}

TEST_CASE("a connection over the limit is told so") {
  Loop loop(1);
  ListenOptions options;
  options.max_connections = 1;
  options.refusal = "come back later\n";
  const auto listener = listen(loop, "tcp://127.0.0.1:0", options);
  TestSocket first(listener->address());
  REQUIRE(first.send("x\n"));
  CHECK(first.receive(2) == "x\n");
  TestSocket second(listener->address());
  CHECK(second.receive_all() == "come back later\n");
  CHECK(listener->counters().refused == 1);
  REQUIRE(first.send("y\n"));
  CHECK(first.receive(2) == "y\n");
}

TEST_CASE("running out of descriptors closes new connections and is survived") {
  Loop loop(1);
  const auto listener = listen(loop, "tcp://127.0.0.1:0");
  TestSocket before(listener->address());
  REQUIRE(before.send("x\n"));
  CHECK(before.receive(2) == "x\n");

  rlimit limit{};
  ::getrlimit(RLIMIT_NOFILE, &limit);
  std::vector<int> taken;
  const int most = ::dup(0);
  const rlimit low{rlim_t(most) + 20, limit.rlim_max};
  ::setrlimit(RLIMIT_NOFILE, &low);
  while (taken.size() < 100) {
    const int descriptor = ::dup(0);
    if (descriptor < 0) break;
    taken.push_back(descriptor);
  }
  ::close(taken.back());  // for the client's own end
  taken.pop_back();
  std::string answer = "?";
  {
    TestSocket refused(listener->address());
    answer = refused.receive_all();
  }
  for (const int descriptor : taken) ::close(descriptor);
  ::close(most);
  ::setrlimit(RLIMIT_NOFILE, &limit);
  CHECK(answer.empty());
  CHECK(before.send("y\n"));
  CHECK(before.receive(2) == "y\n");
  TestSocket after(listener->address());
  CHECK(after.send("z\n"));
  CHECK(after.receive(2) == "z\n");
}

TEST_CASE("answers from workers come, and those to connections that are gone go nowhere",
          "[threads]") {
  Loop loop(2);
  const auto listener = listen(loop, "tcp://127.0.0.1:0");
  for (int i = 0; i < 50; ++i) {
    TestSocket socket(listener->address());
    std::string asked;
    for (int j = 0; j < 20; ++j) asked += "later\n";
    REQUIRE(socket.send(asked));
    if (i % 2 == 0) CHECK(socket.receive(4 * 20).size() == 4 * 20);
  }
}

TEST_CASE("draining tells the protocols, waits for them, and closes the rest after the grace") {
  Loop loop(1);
  struct Slow : Echo {
    using Echo::Echo;
    void on_stopping() override {
      connection_.write("stopping\n");
      connection_.close_after_writing();
    }
  };
  struct Deaf : Echo {
    using Echo::Echo;
    void on_stopping() override {}
  };
  auto polite = listen(loop, "tcp://127.0.0.1:0", {}, makes<Slow>());
  auto deaf = listen(loop, "tcp://127.0.0.1:0", {}, makes<Deaf>());
  TestSocket one(polite->address()), two(deaf->address());
  REQUIRE((one.send("x\n") && two.send("x\n")));
  CHECK((one.receive(2) == "x\n" && two.receive(2) == "x\n"));
  auto rest = std::async(std::launch::async, [&one] {
    std::string all = one.receive_all();
    one.close();
    return all;
  });
  polite->drain(20s);
  CHECK(rest.get() == "stopping\n");
  CHECK_THROWS(TestSocket(polite->address()));
  deaf->drain(20ms);
  CHECK(two.receive_all().empty());
}

TEST_CASE("the loop runs posts in their order and finishes waiting work when it stops",
          "[threads]") {
  std::vector<int> order;
  std::atomic<int> done{0};
  {
    Loop loop(2);
    for (int i = 0; i < 100; ++i) loop.post([&order, i] { order.push_back(i); });
    for (int i = 0; i < 100; ++i) {
      loop.work([i] { return i; }, [&done](int result) { done += result; });
    }
    CHECK(loop.call([] { return 42; }) == 42);
    loop.stop();
    loop.post([&done] { done = -1; });
  }
  CHECK(std::is_sorted(order.begin(), order.end()));
  CHECK(order.size() == 100);
  CHECK(done == 4950);
}

TEST_CASE("one lane of work leaves a worker to the others, and lanes take turns", "[threads]") {
  Loop loop(3);
  std::promise<void> go, other_done;
  const auto gate = go.get_future().share();
  std::atomic<int> begun{0}, done{0};
  std::latch two_have_begun(2);
  for (int i = 0; i < 10; ++i) {
    loop.work("greedy", [gate, &begun, &done, &two_have_begun] {
      if (++begun <= 2) two_have_begun.count_down();
      gate.wait();
      ++done;
    });
  }
  loop.work("modest", [&other_done] { other_done.set_value(); });
  CHECK(other_done.get_future().wait_for(20s) == std::future_status::ready);
  two_have_begun.wait();
  CHECK(loop.waiting_work() == 8);
  go.set_value();
  loop.stop();  // finishes what waits
  CHECK(done == 10);
}

TEST_CASE("a timer rings at its time, repeats, and may destroy itself") {
  Loop loop(1);
  std::promise<void> rang;
  int rings = 0;
  std::unique_ptr<Timer> timer;
  loop.call([&] {
    timer = std::make_unique<Timer>(loop, [&] {
      if (++rings < 3) return;
      timer.reset();
      rang.set_value();
    });
    timer->start(1ms, 1ms);
  });
  rang.get_future().get();
  CHECK(rings == 3);
}
