#include "bench/report.h"

#include <fmt/format.h>
#include <rapidjson/ostreamwrapper.h>
#include <rapidjson/prettywriter.h>

#include <algorithm>
#include <cmath>
#include <cstdio>
#include <fstream>
#include <stdexcept>

namespace runlog::bench {
namespace {

// Three figures that mean something, with commas in what is long.
std::string number(double value) {
  if (value >= 1000) {
    std::string digits = fmt::format("{:.0f}", value);
    for (int i = int(digits.size()) - 3; i > 0; i -= 3) digits.insert(std::size_t(i), ",");
    return digits;
  }
  return fmt::format("{:.{}f}", value, value >= 100 ? 0 : value >= 10 ? 1 : 2);
}

std::string share(double value) { return fmt::format("{:g}", value); }

std::size_t columns_of(const std::string& text) {
  std::size_t columns = 0;
  for (const char c : text) columns += (static_cast<unsigned char>(c) & 0xc0) != 0x80;
  return columns;
}

// Fills up to `width` columns, counting characters and not bytes.
std::string padded(const std::string& text, std::size_t width) {
  const std::size_t columns = columns_of(text);
  return columns < width ? text + std::string(width - columns, ' ') : text;
}

const char* verdict(const Figure& figure) {
  if (!figure.not_measured.empty()) return "?";
  if (!figure.holds) return "";
  return *figure.holds ? "yes" : "NO";
}

}  // namespace

void Report::add(Figure figure) {
  figures_.push_back(std::move(figure));
}

void Report::note(std::string name, double value, std::string unit) {
  add({std::move(name), value, std::move(unit), {}, 0, {}, {}, {}, {}});
}

void Report::at_most(std::string name, double value, std::string unit, double limit) {
  const std::string bar = fmt::format("≤ {} {}", share(limit), unit);
  add({std::move(name), value, std::move(unit), {}, 0, {}, bar, value <= limit, {}});
}

void Report::times_better(std::string name, double value, std::string unit, Better better,
                          std::string peer, double peer_value, double at_least) {
  const double ratio = better == Better::kHigher ? value / peer_value : peer_value / value;
  const std::string bar =
      at_least > 0 ? fmt::format("≥ {} × {}", share(at_least), peer) : std::string();
  std::optional<bool> holds;
  if (at_least > 0) holds = ratio >= at_least;
  add({std::move(name), value, std::move(unit), std::move(peer), peer_value, ratio, bar, holds,
       {}});
}

void Report::share_at_least(std::string name, double value, std::string unit, std::string peer,
                            double peer_value, double at_least) {
  const double ratio = value / peer_value;
  const std::string bar = fmt::format("≥ {} × {}", share(at_least), peer);
  add({std::move(name), value, std::move(unit), std::move(peer), peer_value, ratio, bar,
       ratio >= at_least, {}});
}

void Report::share_at_most(std::string name, double value, std::string unit, std::string peer,
                           double peer_value, double at_most) {
  const double ratio = value / peer_value;
  const std::string bar = fmt::format("≤ {} × {}", share(at_most), peer);
  add({std::move(name), value, std::move(unit), std::move(peer), peer_value, ratio, bar,
       ratio <= at_most, {}});
}

void Report::missing(std::string name, std::string bar, std::string why) {
  add({std::move(name), NAN, {}, {}, 0, {}, std::move(bar), {}, std::move(why)});
}

void Report::print() const {
  const std::string heading = "measured";
  std::size_t width = heading.size();
  for (const Figure& figure : figures_) width = std::max(width, columns_of(figure.name));
  const auto line = [width](const std::string& name, const std::string& value,
                            const std::string& peer, const std::string& ratio,
                            const std::string& bar, const char* holds) {
    fmt::print("{} {} {} {} {} {}\n", padded(name, width), padded(value, 16), padded(peer, 36),
               padded(ratio, 8), padded(bar, 36), holds);
  };
  line(heading, "runlog", "peer", "ratio", "must reach", "holds");
  std::size_t asked = 0, held = 0, not_measured = 0;
  for (const Figure& figure : figures_) {
    if (!figure.not_measured.empty()) {
      line(figure.name, "not measured", figure.not_measured, "", figure.bar, verdict(figure));
      ++not_measured;
      continue;
    }
    const std::string peer =
        figure.peer.empty() ? "" : figure.peer + " " + number(figure.peer_value);
    line(figure.name, number(figure.value) + " " + figure.unit, peer,
         figure.ratio ? number(*figure.ratio) : "", figure.bar, verdict(figure));
    asked += figure.holds.has_value();
    held += figure.holds.value_or(false);
  }
  fmt::print("{} of {} bars hold, {} not measured.\n", held, asked + not_measured, not_measured);
}

void Report::write_json(const std::string& path) const {
  std::ofstream file(path);
  rapidjson::OStreamWrapper stream(file);
  rapidjson::PrettyWriter writer(stream);
  const auto text = [&](const char* key, const std::string& value) {
    writer.Key(key);
    writer.String(value.data(), rapidjson::SizeType(value.size()));
  };
  const auto real = [&](const char* key, std::optional<double> value) {
    writer.Key(key);
    if (value && std::isfinite(*value)) {
      writer.Double(*value);
    } else {
      writer.Null();
    }
  };
  writer.StartArray();
  for (const Figure& figure : figures_) {
    writer.StartObject();
    text("name", figure.name);
    real("value", figure.value);
    text("unit", figure.unit);
    text("peer", figure.peer);
    real("peerValue", figure.peer.empty() ? std::nullopt : std::optional(figure.peer_value));
    real("ratio", figure.ratio);
    text("bar", figure.bar);
    writer.Key("holds");
    if (figure.holds) {
      writer.Bool(*figure.holds);
    } else {
      writer.Null();
    }
    text("notMeasured", figure.not_measured);
    writer.EndObject();
  }
  writer.EndArray();
  file << '\n';
  if (!file.flush()) throw std::runtime_error("cannot write the figures to " + path);
}

}  // namespace runlog::bench
