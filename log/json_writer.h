// Writes structs as JSON objects. The members of a struct's extra text are written as they are, and
// take the place of a field of the same name.
#pragma once

#include <charconv>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "log/json_text.h"
#include "log/run_json.h"

namespace runlog {

// Appends what format_time() returns.
void append_time(UnixMs time, std::string& out);

// Puts values, keys and commas in their places. (Not RapidJSON's: in Debian's release its writer
// does arithmetic on a null pointer, which the sanitizers refuse.)
class JsonWriter {
 public:
  explicit JsonWriter(std::string& out) : out_(out) {}

  void text(std::string_view value) {
    separate();
    append_quoted(value, out_);
  }
  void number(std::int64_t value) {
    separate();
    char digits[20];
    const char* const end = std::to_chars(digits, digits + sizeof digits, value).ptr;
    out_.append(digits, std::size_t(end - digits));
  }
  void time(UnixMs value) {
    separate();
    out_ += '"';
    append_time(value, out_);
    out_ += '"';
  }
  void truth(bool value) {
    separate();
    out_ += value ? "true" : "false";
  }
  void json(std::string_view value) {
    separate();
    out_ += value;
  }
  void key(std::string_view name) {
    text(name);
    out_ += ':';
    needs_comma_ = false;
  }
  void begin_array() { begin('['); }
  void end_array() { end(']'); }
  void begin_object() { begin('{'); }
  void end_object() { end('}'); }

 private:
  void separate() {
    if (needs_comma_) out_ += ',';
    needs_comma_ = true;
  }
  void begin(char bracket) {
    separate();
    out_ += bracket;
    needs_comma_ = false;
  }
  void end(char bracket) {
    out_ += bracket;
    needs_comma_ = true;
  }

  std::string& out_;
  bool needs_comma_ = false;
};

// One object: opens it, writes fields that are there and that the extra text does not have, and
// closes it behind the extra members.
class ObjectWriter {
 public:
  ObjectWriter(JsonWriter& writer, Text extra_json);
  ~ObjectWriter();
  ObjectWriter(const ObjectWriter&) = delete;
  ObjectWriter& operator=(const ObjectWriter&) = delete;

  void text(std::string_view name, std::string_view value) {
    if (begin(name)) writer_.text(value);
  }
  void text(std::string_view name, const OptionalText& value) {
    if (value) text(name, *value);
  }
  void number(std::string_view name, std::int64_t value) {
    if (begin(name)) writer_.number(value);
  }
  void number(std::string_view name, const std::optional<std::int64_t>& value) {
    if (value) number(name, *value);
  }
  void truth(std::string_view name, const std::optional<bool>& value) {
    if (value && begin(name)) writer_.truth(*value);
  }
  void time(std::string_view name, const std::optional<UnixMs>& value) {
    if (value && begin(name)) writer_.time(*value);
  }
  // `json` is written as it is, unless it is empty.
  void json(std::string_view name, Text json) {
    if (!json.empty() && begin(name)) writer_.json(json);
  }
  // Writes the key; false if the extra text has the member. The caller writes the value.
  bool begin(std::string_view name);

 private:
  struct Member {
    std::string key;
    std::string value;
  };
  JsonWriter& writer_;
  std::vector<Member> extra_;
};

}  // namespace runlog
