// `runlog pin`, `unpin` and `pins`: runs that stay whatever the policy says.
#include <fmt/format.h>

#include "log/run_json.h"
#include "server/json_answer.h"
#include "server/history.h"
#include "server/quantities.h"
#include "server/retention_commands.h"
#include "server/terminal_table.h"

namespace runlog {
namespace {

using Align = TerminalTable::Align;

void write_pin(const Pin& pin, JsonAnswer& json) {
  json.StartObject();
  json.member("runId", pin.run_id);
  json.member("reason", pin.reason);
  json.member("pinnedAt", format_time(pin.pinned_at));
  if (pin.until) json.member("until", format_time(*pin.until));
  json.EndObject();
}

}  // namespace

ExitCode run_pin(const LogPlace& place, const PinOptions& options, Console& console) {
  auto history = open_history(place, Access::kChange);
  if (!history) return complain(console, history.error());
  auto pin = (*history)->pin(options.run_id, options.reason, options.until);
  if (!pin) return close(**history, complain(console, pin.error()), console);
  if (options.json) {
    JsonAnswer json;
    write_pin(*pin, json);
    console.out.write(json.line());
  } else {
    console.out.write(fmt::format(
        "pinned {} {}\n", pin->run_id,
        pin->until ? "until " + format_instant_exactly(*pin->until) : "until it is unpinned"));
  }
  return close(**history, ExitCode::kDone, console);
}

ExitCode run_unpin(const LogPlace& place, const UnpinOptions& options, Console& console) {
  auto history = open_history(place, Access::kChange);
  if (!history) return complain(console, history.error());
  const auto before = (*history)->hidden_by_retention();
  if (!before) return close(**history, complain(console, before.error()), console);
  if (auto done = (*history)->unpin(options.run_id); !done)
    return close(**history, complain(console, done.error()), console);
  const auto after = (*history)->hidden_by_retention();
  if (!after) return close(**history, complain(console, after.error()), console);
  const Log::Hidden hidden = difference(*after, *before);
  if (options.json) {
    JsonAnswer json;
    json.StartObject();
    json.member("unpinned", options.run_id);
    write_hidden(hidden, json);
    json.EndObject();
    console.out.write(json.line());
  } else {
    console.out.write(fmt::format("unpinned {}\n", options.run_id));
    if (hidden.total() > 0)
      console.out.write(fmt::format("hid {}: {}\n", count_of(hidden.total(), "run"),
                                    reasons_of(hidden)));
  }
  return close(**history, ExitCode::kDone, console);
}

ExitCode run_pins(const LogPlace& place, const PinsOptions& options, Console& console) {
  auto history = open_history(place, Access::kRead);
  if (!history) return complain(console, history.error());
  auto pins = (*history)->pins();
  if (!pins) return complain(console, pins.error());
  if (options.json) {
    JsonAnswer json;
    json.StartObject();
    json.key("pins");
    json.StartArray();
    for (const Pin& pin : *pins) write_pin(pin, json);
    json.EndArray();
    json.EndObject();
    console.out.write(json.line());
    return ExitCode::kDone;
  }
  if (pins->empty()) {
    remark(console, "no run is pinned");
    return ExitCode::kDone;
  }
  TerminalTable table({{"RUN ID"}, {"PINNED (UTC)", Align::kLeft, 0, 1}, {"UNTIL (UTC)"},
                       {"REASON", Align::kLeft, 10}});
  for (const Pin& pin : *pins)
    table.add_row({{pin.run_id}, {format_instant(pin.pinned_at)},
                   {pin.until ? format_instant(*pin.until) : ""}, {pin.reason}});
  console.out.write(table.render(console.screen));
  return ExitCode::kDone;
}

}  // namespace runlog
