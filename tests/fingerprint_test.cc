#include <catch2/catch.hpp>

#include "log/record.h"

namespace runlog {

TEST_CASE("messages that differ in ids, numbers, addresses or quoted values have one fingerprint") {
  const std::pair<const char*, const char*> same[] = {
      {"connect ETIMEDOUT 10.202.17.0:5432", "connect ETIMEDOUT 10.3.1.255:5433"},
      {"Record 'rec_m8ka4ot895mudaz0' not found in crm_contact",
       "Record 'rec_59fawnkqct4akt5z' not found in crm_contact"},
      {"HTTP 429 Too Many Requests: retry after 8s", "HTTP 429 Too Many Requests: retry after 111s"},
      {"duplicate key \"a_key\"", "duplicate key \"b_key\""},
      {"邮件模板 '欢迎信' 缺少收件人", "邮件模板 '付款提醒' 缺少收件人"},
      {"run 86f42b41-80f0-4ab5-9165-f621d35ceae6 died", "run 0a1b2c3d-80f0-4ab5-9165-000000000000 died"}};
  for (const auto& [a, b] : same) CHECK(error_fingerprint(a) == error_fingerprint(b));
}

TEST_CASE("messages that mean something else have another fingerprint") {
  CHECK(error_fingerprint("Permission denied") != error_fingerprint("connect refused"));
  CHECK(error_fingerprint("not found in crm_lead") != error_fingerprint("not found in crm_deal"));
  CHECK(error_fingerprint("缺少收件人") == "缺少收件人");
}

TEST_CASE("an apostrophe and a quote that is never closed quote nothing") {
  CHECK(error_fingerprint("can't open, don't ask") == "can't open, don't ask");
  CHECK(error_fingerprint("open 'x") == "open 'x");
  CHECK(error_fingerprint("") == "");
}

TEST_CASE("a fingerprint is short, valid UTF-8 and the same for a message and its head") {
  std::string message;
  for (int i = 0; i < 400; ++i) message += "邮件 ";
  const std::string fingerprint = error_fingerprint(message);
  CHECK(fingerprint.size() <= kMaxNameBytes);
  CHECK(is_utf8(fingerprint));
  CHECK(fingerprint == error_fingerprint(message + "more"));
}

}  // namespace runlog
