// Query strings: what is decoded, and how each thing that is wrong is named.
#include <catch2/catch.hpp>

#include "server/http/query_string.h"

using namespace runlog;

namespace {

std::string code_of_only_problem(const QueryString& query) {
  REQUIRE(query.problems().size() == 1);
  return query.problems()[0].field + ":" + query.problems()[0].code;
}

}  // namespace

TEST_CASE("percent escapes and plus signs are decoded, broken ones are not taken") {
  CHECK(percent_decode("a%20b%2Fc", false) == "a b/c");
  CHECK(percent_decode("a+b", false) == "a+b");
  CHECK(percent_decode("a+b", true) == "a b");
  CHECK(percent_decode("%E9%82%AE", false) == "邮");
  for (const char* broken : {"%", "%4", "%zz", "a%2", "%ff", "%C3%28"}) {
    INFO(broken);
    CHECK_FALSE(percent_decode(broken, false).has_value());
  }
}

TEST_CASE("a query's parameters are found by their decoded names") {
  QueryString query("flow=a%26b&&status=&flo%77=c&empty");
  CHECK(query.all("flow") == std::vector<std::string>{"a&b", "c"});
  CHECK(query.once("status") == "");
  CHECK_FALSE(query.once_or_empty("empty").has_value());
  CHECK_FALSE(query.once("missing").has_value());
  query.refuse_others();
  CHECK(query.problems().empty());
}

TEST_CASE("a repeated, malformed or unknown parameter is a problem with its name") {
  QueryString repeated("status=a&status=b");
  CHECK_FALSE(repeated.once("status").has_value());
  CHECK(code_of_only_problem(repeated) == "status:invalid_type");

  const QueryString malformed("cursor=%GG");
  CHECK(code_of_only_problem(malformed) == "cursor:invalid_format");

  QueryString unknown("limit=1&staus=failed");
  CHECK(unknown.number("limit", 1, 100) == 1);
  unknown.refuse_others();
  CHECK(code_of_only_problem(unknown) == "staus:unknown_field");

  std::string many;
  for (int i = 0; i < 1000; ++i) many += "a=1&";
  CHECK(code_of_only_problem(QueryString(many)) == "(query):max_items");
}

TEST_CASE("a number says which bound it passes") {
  const auto problem = [](const std::string& text) {
    QueryString query("limit=" + text);
    CHECK_FALSE(query.number("limit", 1, 100).has_value());
    return code_of_only_problem(query);
  };
  CHECK(problem("0") == "limit:min_value");
  CHECK(problem("-1") == "limit:min_value");
  CHECK(problem("-99999999999999999999") == "limit:min_value");
  CHECK(problem("101") == "limit:max_value");
  CHECK(problem("99999999999999999999") == "limit:max_value");
  for (const char* no_number : {"ten", "1.5", "1e1", "%201", "1%20", "0x10", "%2B1"}) {
    CHECK(problem(no_number) == "limit:invalid_number");
  }
  QueryString fits("limit=100");
  CHECK(fits.number("limit", 1, 100) == 100);
  QueryString empty("limit=");
  CHECK_FALSE(empty.number("limit", 1, 100).has_value());
  CHECK(empty.problems().empty());
}
