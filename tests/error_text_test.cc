// Case-insensitive search in error messages.
#include <catch2/catch.hpp>
#include <string>

#include "query/error_text.h"

namespace runlog {
namespace {

bool found(std::string_view needle, std::string_view message) {
  return ErrorTextSearch(needle).found_in(message);
}

std::string folded(std::string_view text) {
  std::string out;
  fold_case(text, out);
  return out;
}

TEST_CASE("error text is found whatever the case of either side", "[error_text]") {
  CHECK(found("timeout", "Request TIMEOUT after 30 s"));
  CHECK(found("TimeOut AFTER", "Request timeout after 30 s"));
  CHECK_FALSE(found("timeouts", "Request TIMEOUT after 30 s"));
  CHECK_FALSE(found("time out", "Request TIMEOUT after 30 s"));
}

TEST_CASE("error text is found at the start, at the end and as the whole message", "[error_text]") {
  CHECK(found("req", "Request failed"));
  CHECK(found("FAILED", "Request failed"));
  CHECK(found("request failed", "Request failed"));
  CHECK_FALSE(found("request failed!", "Request failed"));
}

TEST_CASE("the empty text is in every message", "[error_text]") {
  CHECK(found("", ""));
  CHECK(found("", "x"));
  CHECK(found("", "é"));
  CHECK_FALSE(found("x", ""));
}

TEST_CASE("only letters fold, not their neighbours in ASCII", "[error_text]") {
  CHECK_FALSE(found("@", "`"));
  CHECK_FALSE(found("[", "{"));
  CHECK(found("a[z", "A[Z"));
  for (int c = 0; c < 128; ++c) {
    const char text[] = {char(c)};
    const char expected[] = {char(c >= 'A' && c <= 'Z' ? c + 32 : c)};
    CHECK(folded({text, 1}) == std::string(expected, 1));
  }
}

TEST_CASE("letters of other scripts fold", "[error_text]") {
  CHECK(found("über", "ÜBERLAUF"));
  CHECK(found("ОШИБКА", "сетевая ошибка"));
  CHECK(found("σφάλμα", "ΣΦΆΛΜΑ"));
  CHECK(found("ΟΔΌΣ", "οδός"));  // the final sigma too
  CHECK(found("𐐨", "𐐀"));        // four bytes each
  CHECK(found("STRASSE", "strasse"));
  CHECK_FALSE(found("STRASSE", "straße"));  // several characters for one: not folded
  CHECK(found("ẞ", "straße"));
}

TEST_CASE("letters whose cases have different lengths in bytes fold", "[error_text]") {
  CHECK(found("k", "300 \u212A"));       // the Kelvin sign
  CHECK(found("300 \u212A", "300 k"));
  CHECK(found("\u212A\u212A\u212A\u212A", "kkkk"));
  CHECK(found("ⱥ", "Ⱥ"));                // two bytes and three
}

TEST_CASE("scripts without case are compared as they are", "[error_text]") {
  CHECK(found("超时", "请求超时，请重试"));
  CHECK_FALSE(found("超市", "请求超时，请重试"));
  CHECK(found("エラー", "接続エラーが発生"));
  CHECK(found("😀", "done 😀"));
  CHECK(found("ERROR：超时", "Error：超时"));
}

TEST_CASE("a match never begins inside a character", "[error_text]") {
  // The last two bytes of one character and the first of the next are no character of the needle.
  CHECK_FALSE(found("\u00A4", "\u20A4"));
}

TEST_CASE("bytes that are not UTF-8 match only themselves", "[error_text]") {
  CHECK(found("\xFF", "bad \xFF byte"));
  CHECK_FALSE(found("\xFE", "bad \xFF byte"));
  CHECK(folded("\xC0\x80 A") == "\xC0\x80 a");          // overlong
  CHECK(folded("\xED\xA0\x80 A") == "\xED\xA0\x80 a");  // a surrogate
  CHECK(folded("\xF5\x80\x80\x80 A") == "\xF5\x80\x80\x80 a");
  CHECK(folded("A\xE2\x82") == "a\xE2\x82");            // cut short
}

TEST_CASE("a search can be used again and again", "[error_text]") {
  ErrorTextSearch search("Connexion refusée");
  CHECK(search.found_in("CONNEXION REFUSÉE par l'hôte"));
  CHECK_FALSE(search.found_in("a much longer message that has nothing of it, in ASCII"));
  CHECK(search.found_in("connexion refusée"));
}

}  // namespace
}  // namespace runlog
