#include "log/names.h"

#include <atomic>
#include <catch2/catch.hpp>
#include <string>
#include <thread>
#include <vector>

namespace runlog {

TEST_CASE("a name has one symbol for each kind it is of") {
  NameTable names;
  CHECK(names.end() == 1);
  const Symbol flow = *names.intern(NameKind::kFlow, "lead");
  const Symbol user = *names.intern(NameKind::kUser, "lead");
  CHECK(flow != user);
  CHECK(names.intern(NameKind::kFlow, "lead") == flow);
  CHECK(names.find(NameKind::kUser, "lead") == user);
  CHECK_FALSE(names.find(NameKind::kNode, "lead"));
  CHECK(*names.name(NameKind::kFlow, flow) == "lead");
  CHECK(names.entry(user).name == "lead");
  CHECK(names.entry(user).kind == NameKind::kUser);
  CHECK(names.end() == 3);
}

TEST_CASE("the empty name and names with NUL are names") {
  NameTable names;
  const Symbol empty = *names.intern(NameKind::kUser, "");
  const Symbol with_nul = *names.intern(NameKind::kUser, std::string_view("a\0b", 3));
  CHECK(names.name(NameKind::kUser, empty)->empty());
  CHECK(names.name(NameKind::kUser, with_nul)->size() == 3);
  CHECK_FALSE(names.find(NameKind::kUser, "a"));
}

TEST_CASE("a symbol that has no name, or one of another kind, is Corruption") {
  NameTable names;
  const Symbol flow = *names.intern(NameKind::kFlow, "lead");
  CHECK(names.name(NameKind::kUser, flow).error().code == ErrorCode::Corruption);
  CHECK(names.name(NameKind::kFlow, 0).error().code == ErrorCode::Corruption);
  CHECK(names.name(NameKind::kFlow, 2).error().code == ErrorCode::Corruption);
  CHECK(names.name(NameKind::kFlow, 0xffffffff).error().code == ErrorCode::Corruption);
  CHECK(names.peek(NameKind::kFlow, 0xfffffbff) == nullptr);
}

TEST_CASE("a name that is too long gets no symbol") {
  NameTable names;
  const std::string longest(kMaxNameBytes, 'n');
  CHECK(names.intern(NameKind::kUser, longest));
  CHECK_FALSE(names.intern(NameKind::kUser, longest + "n"));
}

TEST_CASE("a kind that is full takes no more names, flows and shapes have no such cap") {
  NameTable names;
  for (std::uint32_t i = 0; i < NameTable::kMaxPerKind; ++i) {
    REQUIRE(names.intern(NameKind::kUser, std::to_string(i)));
    REQUIRE(names.intern(NameKind::kFlow, std::to_string(i)));
  }
  CHECK_FALSE(names.intern(NameKind::kUser, "one more"));
  CHECK(names.intern(NameKind::kUser, "17"));
  CHECK(names.intern(NameKind::kFlow, "one more"));
  for (std::uint32_t i = 0; i < NameTable::kMaxPerKind; i += 997) {
    const std::optional<Symbol> symbol = names.find(NameKind::kUser, std::to_string(i));
    REQUIRE(symbol);
    CHECK(*names.name(NameKind::kUser, *symbol) == std::to_string(i));
  }
}

TEST_CASE("restored names keep their symbols, and new ones come after them") {
  NameTable names;
  REQUIRE(names.restore(5000, NameKind::kUser, "late"));
  REQUIRE(names.restore(3, NameKind::kFlow, "early"));
  REQUIRE(names.restore(3, NameKind::kFlow, "early"));
  CHECK(names.end() == 5001);
  CHECK(names.find(NameKind::kFlow, "early") == Symbol(3));
  CHECK(names.intern(NameKind::kFlow, "new") == Symbol(5001));
  CHECK_FALSE(names.name(NameKind::kUser, 4999));
}

TEST_CASE("restoring what contradicts the table is Corruption") {
  NameTable names;
  REQUIRE(names.restore(3, NameKind::kFlow, "a"));
  const auto code = [&](Symbol symbol, NameKind kind, std::string_view name) {
    const Expected<void> done = names.restore(symbol, kind, name);
    return done ? std::nullopt : std::optional(done.error().code);
  };
  CHECK(code(3, NameKind::kFlow, "b") == ErrorCode::Corruption);
  CHECK(code(3, NameKind::kUser, "a") == ErrorCode::Corruption);
  CHECK(code(4, NameKind::kFlow, "a") == ErrorCode::Corruption);
  CHECK(code(0, NameKind::kFlow, "c") == ErrorCode::Corruption);
  CHECK(code(0xffffffff, NameKind::kFlow, "c") == ErrorCode::Corruption);
  CHECK(code(9, NameKind::kStepShape, "no shape") == ErrorCode::Corruption);
  CHECK(code(9, NameKind::kUser, std::string(256, 'u')) == ErrorCode::Corruption);
  CHECK(names.end() == 4);
}

TEST_CASE("shapes keep absent and empty parts and separators inside parts apart") {
  const std::optional<std::string_view> forms[] = {
      std::nullopt, "", "a", std::string_view("\0", 1), "\x1f", std::string_view("a\0\x1f", 3)};
  NameTable names;
  std::array<char, kMaxShapeBytes> buffer;
  std::size_t count = 0;
  for (const auto& id : forms) {
    for (const auto& type : forms) {
      for (const auto& label : forms) {
        const auto name = shape_name({id, type, label}, buffer);
        REQUIRE(name);
        const Symbol symbol = *names.intern(NameKind::kStepShape, *name);
        CHECK(symbol == ++count);
        const auto shape = shape_of(*names.name(NameKind::kStepShape, symbol));
        REQUIRE(shape);
        CHECK(shape->node_id == id);
        CHECK(shape->node_type == type);
        CHECK(shape->node_label == label);
      }
    }
  }
  const std::string too_long(kMaxNameBytes + 1, 'x');
  CHECK_FALSE(shape_name({std::string_view(too_long), std::nullopt, std::nullopt}, buffer));
  CHECK_FALSE(shape_of("short"));
  CHECK_FALSE(shape_of(std::string_view("\x09\0\0\0\0\0abc", 9)));
}

TEST_CASE("threads that add and read the same names agree on them", "[threads]") {
  NameTable names;
  constexpr int kThreads = 4;
  constexpr int kNames = 5000;
  std::vector<std::vector<Symbol>> seen(kThreads);
  std::atomic<int> wrong{0};
  std::vector<std::thread> threads;
  for (int t = 0; t < kThreads; ++t) {
    threads.emplace_back([&, t] {
      for (int i = 0; i < kNames; ++i) {
        const std::string name = "name" + std::to_string(i);
        const Symbol symbol = *names.intern(NameKind::kUser, name);
        seen[std::size_t(t)].push_back(symbol);
        const std::string_view* read = names.peek(NameKind::kUser, symbol);
        if (read == nullptr || *read != name) ++wrong;
        if (names.find(NameKind::kUser, name) != symbol) ++wrong;
      }
    });
  }
  for (std::thread& thread : threads) thread.join();
  CHECK(wrong == 0);
  for (int t = 1; t < kThreads; ++t) CHECK(seen[std::size_t(t)] == seen[0]);
  CHECK(names.end() == kNames + 1);
}

}  // namespace runlog
