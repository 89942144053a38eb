// The JSON that the commands print.
#pragma once

#include <string_view>

#include <rapidjson/stringbuffer.h>
#include <rapidjson/writer.h>

#include "log/run.h"

namespace runlog {

class JsonAnswer : public rapidjson::Writer<rapidjson::StringBuffer> {
 public:
  JsonAnswer() : rapidjson::Writer<rapidjson::StringBuffer>(buffer_) {}

  void key(std::string_view name) { Key(name.data(), rapidjson::SizeType(name.size())); }
  void text(std::string_view value) { String(value.data(), rapidjson::SizeType(value.size())); }
  void member(std::string_view name, std::string_view value) { key(name), text(value); }
  void member(std::string_view name, std::uint64_t value) { key(name), Uint64(value); }
  void member(std::string_view name, std::int64_t value) { key(name), Int64(value); }
  void flag(std::string_view name, bool value) { key(name), Bool(value); }
  // `json` is written as it is.
  void raw(std::string_view json) { RawValue(json.data(), json.size(), rapidjson::kObjectType); }

  // The text, with a newline at its end.
  std::string_view line() {
    if (!ended_) buffer_.Put('\n');
    ended_ = true;
    return {buffer_.GetString(), buffer_.GetSize()};
  }

 private:
  rapidjson::StringBuffer buffer_;
  bool ended_ = false;
};

}  // namespace runlog
