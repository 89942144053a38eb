// Writes structs as JSON objects. The members of a struct's extra text are written as they are, and
// take the place of a field of the same name.
#pragma once

#include <rapidjson/writer.h>
#include <simdjson.h>

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "log/run_json.h"

namespace runlog {

// Lets RapidJSON append to a std::string.
class StringOutput {
 public:
  using Ch = char;
  explicit StringOutput(std::string& text) : text_(text) {}
  void Put(char c) { text_.push_back(c); }
  void Flush() {}

 private:
  std::string& text_;
};

class JsonWriter {
 public:
  explicit JsonWriter(std::string& out) : stream_(out), writer_(stream_) {}

  void text(std::string_view value) {
    writer_.String(value.data() != nullptr ? value.data() : "", unsigned(value.size()));
  }
  void number(std::int64_t value) { writer_.Int64(value); }
  void truth(bool value) { writer_.Bool(value); }
  void json(std::string_view value) {
    writer_.RawValue(value.data(), value.size(), rapidjson::kObjectType);
  }
  void key(std::string_view name) { writer_.Key(name.data(), unsigned(name.size())); }
  void begin_array() { writer_.StartArray(); }
  void end_array() { writer_.EndArray(); }
  void begin_object() { writer_.StartObject(); }
  void end_object() { writer_.EndObject(); }

 private:
  StringOutput stream_;
  rapidjson::Writer<StringOutput> writer_;
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
    if (value && begin(name)) writer_.text(format_time(*value));
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
