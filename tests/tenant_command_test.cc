// `runlog token` and `runlog tenants`: what they print, store and refuse.
#include <catch2/catch.hpp>

#include "tests/cli_history.h"

using namespace runlog;
using Catch::Matchers::Contains;

TEST_CASE("a token is printed once, alone on its line, and listed without itself") {
  const History history;
  const CliResult created = history.run({"token", "create", "--tenant", "default", "--role",
                                         "append", "--expires", "90d"});
  INFO(created.err);
  REQUIRE(created.exit_code == kDone);
  const auto lines = lines_of(created.out);
  REQUIRE(lines.size() == 1);
  CHECK(lines.front().size() == 46);
  CHECK_THAT(created.err, Contains("append in tenant 'default'") && Contains("shown only now"));
  const auto second = parse(history.run({"token", "create", "--role", "read", "--json"}).out);
  CHECK(second["tenant"] == "default");
  CHECK_FALSE(second.HasMember("expiresAt"));
  const CliResult listed = history.run({"token", "list"});
  CHECK_THAT(listed.out, Contains("default") && Contains("append") && Contains("never") &&
                             Contains(second["id"].GetString()));
  CHECK(listed.out.find(lines.front().substr(3)) == std::string::npos);

  CHECK(history.run({"token", "revoke", second["id"].GetString()}).exit_code == kDone);
  const auto left = parse(history.run({"token", "list", "--json"}).out);
  REQUIRE(left["tokens"].Size() == 1);
  CHECK(left["tokens"][0]["role"] == "append");
  CHECK(left["tokens"][0].HasMember("expiresAt"));
  CHECK(history.run({"token", "revoke", "nosuch"}).exit_code == kRefused);
}

TEST_CASE("a token with a wrong role, end or tenant is not made") {
  const History history;
  const std::vector<std::pair<std::vector<std::string>, std::string>> misused = {
      {{}, "--role"},
      {{"--role", "root"}, "'root' is not one of read, append, admin"},
      {{"--role", "read", "--expires", "soon"}, "'soon' is not a time"},
      {{"--role", "read", "--tenant", "a/b"}, "not a tenant's name"}};
  for (const auto& [arguments, why] : misused) {
    std::vector<std::string> command = {"token", "create"};
    command.insert(command.end(), arguments.begin(), arguments.end());
    const CliResult result = history.run(command);
    CHECK(result.exit_code == kUsage);
    CHECK_THAT(result.err, Contains(why));
  }
  CHECK(history.run({"token", "create", "--role", "read", "--expires", "2020-01-01"}).exit_code ==
        kRefused);
  CHECK(parse(history.run({"token", "list", "--json"}).out)["tokens"].Size() == 0);
  CHECK_THAT(history.run({"token", "create", "--role", "read", "--tenant", "nobody"}).err,
             Contains("no tenant 'nobody' yet"));
}

TEST_CASE("tenants are made, listed, and deleted only by their repeated name") {
  const History history;
  CHECK(history.run({"tenants", "create", "acme"}).exit_code == kDone);
  CHECK(history.run({"tenants", "create", "acme"}).exit_code == kRefused);
  CHECK(history.run({"tenants", "create", "../acme"}).exit_code == kRefused);
  const auto listed = parse(history.run({"tenants", "list", "--json"}).out);
  REQUIRE(listed["tenants"].Size() == 2);
  CHECK(listed["tenants"][0]["name"] == "acme");
  CHECK(listed["tenants"][1]["runs"].GetInt() == 60);
  CHECK_FALSE(listed["tenants"][1]["open"].GetBool());
  CHECK_THAT(history.run({"tenants", "list"}).out, Contains("acme") && Contains("60"));

  CHECK(history.run({"token", "create", "--role", "read"}).exit_code == kDone);
  CHECK(history.run({"tenants", "delete", "default"}).exit_code == kUsage);
  CHECK(history.run({"tenants", "delete", "default", "--confirm", "acme"}).exit_code == kRefused);
  CHECK(parse(history.run({"list", "--json"}).out)["total"].GetInt() == 60);
  const std::vector<std::string> remove = {"tenants", "delete", "default", "--confirm", "default"};
  const CliResult deleted = history.run(remove);
  CHECK(deleted.exit_code == kDone);
  CHECK_THAT(deleted.out, Contains("1 token revoked"));
  CHECK(history.run({"list"}).exit_code == kRefused);
  CHECK(history.run(remove).exit_code == kRefused);
  CHECK(parse(history.run({"token", "list", "--json"}).out)["tokens"].Size() == 0);
}
