// JSON with the members of every object in the order of their names, for comparing.
#pragma once

#include <simdjson.h>

#include <map>
#include <string>

namespace runlog {

inline std::string sorted_json(simdjson::dom::element value) {
  std::string out;
  if (value.is_array()) {
    for (const auto element : simdjson::dom::array(value))
      out += (out.empty() ? "" : ",") + sorted_json(element);
    return "[" + out + "]";
  }
  if (!value.is_object()) return simdjson::minify(value);
  std::map<std::string, std::string> members;
  for (const auto [key, element] : simdjson::dom::object(value))
    members[std::string(key)] = sorted_json(element);
  for (const auto& [key, text] : members) out += (out.empty() ? "" : ",") + key + ":" + text;
  return "{" + out + "}";
}

inline std::string sorted_json(const std::string& json) {
  simdjson::dom::parser parser;
  return sorted_json(parser.parse(json).value());
}

}  // namespace runlog
