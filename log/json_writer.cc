#include "log/json_writer.h"

namespace runlog {

ObjectWriter::ObjectWriter(JsonWriter& writer, Text extra_json) : writer_(writer) {
  writer_.begin_object();
  if (extra_json.empty()) return;
  // Text that is no object, which only an engine of its own making can hand over, is left out.
  simdjson::dom::parser parser;
  simdjson::dom::object object;
  if (parser.parse(extra_json.data(), extra_json.size()).get_object().get(object) !=
      simdjson::SUCCESS) {
    return;
  }
  for (const auto [key, value] : object) {
    extra_.push_back({std::string(key), simdjson::minify(value)});
  }
}

ObjectWriter::~ObjectWriter() {
  for (const Member& member : extra_) {
    writer_.key(member.key);
    writer_.json(member.value);
  }
  writer_.end_object();
}

bool ObjectWriter::begin(std::string_view name) {
  for (const Member& member : extra_) {
    if (member.key == name) return false;
  }
  writer_.key(name);
  return true;
}

}  // namespace runlog
