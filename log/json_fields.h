// Reads JSON objects into structs by tables of fields. A member that no field takes, because it is
// unknown or its value does not fit, goes to the struct's extra text, so that nothing is lost.
#pragma once

#include <simdjson.h>

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <unordered_map>
#include <utility>
#include <vector>

#include "log/json_text.h"
#include "log/run_json.h"

namespace runlog {

using JsonValue = simdjson::dom::element;
using JsonObject = simdjson::dom::object;

// What reading one document shares.
struct JsonReading {
  TextArena& arena;
  std::optional<Error> error;  // the first field that makes the run unusable

  void refuse(std::string message) {
    if (!error) error = Error{ErrorCode::InvalidArgument, std::move(message)};
  }
};

template <typename T>
struct JsonField {
  std::string_view name;
  // Takes the value. False: it does not fit (entirely), keep it in the extra text, too.
  bool (*read)(JsonReading& reading, JsonValue value, T& out);
};

// ---- values ---------------------------------------------------------------------------------

inline bool read_text(JsonReading& reading, JsonValue value, Text& out) {
  std::string_view text;
  if (value.get_string().get(text) != simdjson::SUCCESS) return false;
  out = reading.arena.keep(text);
  return true;
}

inline bool read_value(JsonReading& reading, JsonValue value, OptionalText& out) {
  Text text;
  if (!read_text(reading, value, text)) return false;
  out = text;
  return true;
}

inline bool read_value(JsonReading& reading, JsonValue value, Text& out) {
  return read_text(reading, value, out);
}

template <typename Integer>
  requires std::is_same_v<Integer, std::int64_t> ||
           std::is_same_v<Integer, std::optional<std::int64_t>>
bool read_value(JsonReading&, JsonValue value, Integer& out) {
  std::int64_t number = 0;
  if (!value.is_int64() || value.get_int64().get(number) != simdjson::SUCCESS) return false;
  out = number;
  return true;
}

inline bool read_value(JsonReading&, JsonValue value, std::optional<bool>& out) {
  bool truth = false;
  if (value.get_bool().get(truth) != simdjson::SUCCESS) return false;
  out = truth;
  return true;
}

// For a table: the member of T that takes the value.
template <auto Member, typename T>
bool field(JsonReading& reading, JsonValue value, T& out) {
  return read_value(reading, value, out.*Member);
}

// Any value, as text.
template <auto Member, typename T>
bool raw_field(JsonReading& reading, JsonValue value, T& out) {
  const std::string text = simdjson::minify(value);
  out.*Member = reading.arena.keep(text);
  return true;
}

// A time as text. Digits below a millisecond are cut off, and the whole text is kept.
template <auto Member, typename T>
bool time_field(JsonReading&, JsonValue value, T& out) {
  std::string_view text;
  if (value.get_string().get(text) != simdjson::SUCCESS) return false;
  bool is_exact = true;
  const Expected<UnixMs> time = parse_time(text, &is_exact);
  if (!time) return false;
  out.*Member = *time;
  return is_exact;
}

// ---- objects --------------------------------------------------------------------------------

// The place of `name` in `fields`, or N. Members mostly come in the table's order: looks from
// `hint` on first.
template <typename T, std::size_t N>
std::size_t find_field(const JsonField<T> (&fields)[N], std::string_view name, std::size_t hint) {
  for (std::size_t i = 0; i < N; ++i) {
    const std::size_t at = hint + i < N ? hint + i : hint + i - N;
    if (fields[at].name == name) return at;
  }
  return N;
}

// The members of an object, each name once, with its last value, as JavaScript reads it.
inline std::vector<std::pair<std::string_view, JsonValue>> last_members(JsonObject object) {
  std::vector<std::pair<std::string_view, JsonValue>> members;
  std::unordered_map<std::string_view, std::size_t> places;
  for (const auto [name, value] : object) {
    const auto [place, is_new] = places.try_emplace(name, members.size());
    if (is_new) {
      members.emplace_back(name, value);
    } else {
      members[place->second].second = value;
    }
  }
  return members;
}

// Reads `object` into `out` and returns the bits of the fields it had (bit i: fields[i]). What is
// not taken is added to `extra`.
template <typename T, std::size_t N>
std::uint64_t read_members(JsonReading& reading, JsonObject object,
                           const JsonField<T> (&fields)[N], T& out, ExtraMembers& extra) {
  static_assert(N <= 64);
  std::uint64_t seen = 0;
  std::size_t hint = 0;
  bool is_repeated = false;
  const auto read_one = [&](std::string_view name, JsonValue value) {
    const std::size_t at = find_field(fields, name, hint);
    if (at == N) {
      extra.add(name, value);
      return;
    }
    if (seen >> at & 1) is_repeated = true;
    seen |= 1ull << at;
    if (!fields[at].read(reading, value, out)) extra.add(name, value);
    hint = at + 1 < N ? at + 1 : 0;
  };
  for (const auto [name, value] : object) read_one(name, value);
  if (!is_repeated) return seen;
  out = T();
  extra = ExtraMembers();
  seen = 0;
  for (const auto& [name, value] : last_members(object)) read_one(name, value);
  return seen;
}

// The same for a struct with an `extra_json`. False if the value is no object.
template <typename T, std::size_t N>
bool read_object(JsonReading& reading, JsonValue value, const JsonField<T> (&fields)[N], T& out,
                 std::uint64_t* seen = nullptr) {
  JsonObject object;
  if (value.get_object().get(object) != simdjson::SUCCESS) return false;
  ExtraMembers extra;
  const std::uint64_t found = read_members(reading, object, fields, out, extra);
  out.extra_json = extra.keep(reading.arena);
  if (seen != nullptr) *seen = found;
  return true;
}

// For a struct without one: false unless every member was taken and all of `required` were there.
template <typename T, std::size_t N>
bool read_closed_object(JsonReading& reading, JsonValue value, const JsonField<T> (&fields)[N],
                        std::uint64_t required, T& out) {
  JsonObject object;
  if (value.get_object().get(object) != simdjson::SUCCESS) return false;
  ExtraMembers extra;
  const std::uint64_t seen = read_members(reading, object, fields, out, extra);
  return extra.empty() && (seen & required) == required;
}

}  // namespace runlog
