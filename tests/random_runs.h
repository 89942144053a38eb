// Random runs and random questions, from pools that are small enough to meet often and hold what is
// rare in life: values too long for a symbol, records of one id in two objects, messages longer than
// a head keeps, letters of other scripts.
#pragma once

#include <algorithm>
#include <random>
#include <string>
#include <vector>

#include <fmt/format.h>

#include "tests/model.h"

namespace runlog {

struct RandomRun {
  TestRun run;
  std::string folded_message;
};

class RandomRuns {
 public:
  static constexpr UnixMs kFirstTime = 1'760'000'000'000;
  static constexpr UnixMs kTimeSpan = 6 * 3'600'000;

  explicit RandomRuns(std::uint64_t seed) : random_(seed) {}

  std::uint64_t below(std::uint64_t end) {
    return std::uniform_int_distribution<std::uint64_t>(0, end - 1)(random_);
  }
  bool one_in(std::uint64_t n) { return below(n) == 0; }

  // A run with a new id.
  RandomRun make() { return with_id(new_id()); }

  // Any content under the given id.
  RandomRun with_id(std::string run_id) {
    RandomRun out;
    TestRun& run = out.run;
    run.run_id = std::move(run_id);
    run.flow = flow();
    if (one_in(2)) run.version = std::int64_t(below(4));
    run.status = status();
    run.started_at = time();
    run.finished_at.reset();
    run.duration_ms.reset();
    if (!one_in(5)) run.finished_at = run.started_at + std::int64_t(below(100'000));
    if (!one_in(5)) run.duration_ms = std::int64_t(below(50'000));
    if (!one_in(3)) run.trigger_type = one_in(2) ? "record" : "schedule";
    if (!one_in(3)) run.object = object();
    if (!one_in(3)) run.record = record();
    if (!one_in(3)) run.user = user();
    if (!one_in(3)) run.organization = one_in(2) ? "org" : "";
    if (run.status != RunStatus::kCompleted || one_in(10)) add_error(out);
    for (std::uint64_t i = below(4); i > 0; --i) run.labels.push_back(label());
    if (one_in(2)) run.selected = std::int64_t(below(10));
    run.steps = unsigned(below(5));
    return out;
  }

  ModelFilter filter() {
    ModelFilter out;
    Filter& filter = out.filter;
    // Few conditions at a time, or nothing would ever match.
    for (std::uint64_t conditions = below(4); conditions > 0; --conditions) {
      switch (below(15)) {
        case 0: case 1: filter.flows.push_back(one_in(10) ? "no such flow" : flow()); break;
        case 2: case 3: filter.statuses.push_back(status()); break;
        case 4: filter.trigger_type = one_in(3) ? "schedule" : "record"; break;
        case 5: filter.trigger_object = object(); break;
        case 6:
          if (!filter.trigger_object) filter.trigger_object = object();
          filter.trigger_record = record();
          break;
        case 7: filter.user = user(); break;
        case 8: filter.failing_node = node(); break;
        case 9: filter.error_code = code(); break;
        case 10: add_text(out); break;
        case 11: add_times(filter); break;
        case 12: filter.labels.push_back(label()); break;
        case 13: filter.organization = one_in(2) ? "org" : ""; break;
        case 14: filter.fingerprint = error_fingerprint(cut_message(message().first)); break;
      }
    }
    return out;
  }

  TermKind group_kind() {
    constexpr TermKind kKinds[] = {
        TermKind::kFlow, TermKind::kStatus, TermKind::kTriggerType, TermKind::kTriggerObject,
        TermKind::kRecord, TermKind::kUser, TermKind::kOrganization, TermKind::kFailingNode,
        TermKind::kErrorCode, TermKind::kFingerprint, TermKind::kLabel};
    return kKinds[below(std::size(kKinds))];
  }

  std::string new_id() {
    const std::uint64_t number = ++ids_;
    if (one_in(5)) return "own-id-" + std::to_string(number);
    return fmt::format("run_{:08x}-{:04x}-4{:03x}-8{:03x}-{:012x}", below(1ull << 32),
                       below(1 << 16), below(1 << 12), below(1 << 12), number);
  }

 private:
  using Words = std::pair<std::string, std::string>;  // as written, with its case folded

  std::string flow() {
    // Skewed: the higher numbers are rare.
    return "flow_" + std::to_string(below(1 + below(8)));
  }
  RunStatus status() {
    return one_in(2) ? RunStatus::kCompleted : RunStatus(below(kRunStatusCount));
  }
  std::string object() { return one_in(3) ? "lead" : one_in(2) ? "" : "opportunity"; }
  std::string record() { return "rec" + std::to_string(below(20)); }
  std::string user() {
    const std::string name = "user" + std::to_string(below(5));
    return one_in(4) ? name + std::string(300, 'u') : name;
  }
  std::string node() {
    const std::string name = "node" + std::to_string(below(4));
    return one_in(5) ? name + std::string(400, 'n') : name;
  }
  std::string code() {
    const std::string name = "E" + std::to_string(below(4));
    return one_in(5) ? name + std::string(256, 'C') : name;
  }
  std::pair<std::string, std::string> label() {
    std::string value = std::to_string(below(3));
    if (one_in(4)) value += std::string(300, 'v');
    return {one_in(2) ? "env" : "region", value};
  }
  UnixMs time() { return kFirstTime + std::int64_t(below(kTimeSpan)); }

  Words word() {
    static const Words kWords[] = {
        {"Timeout", "timeout"}, {"Überlauf", "überlauf"}, {"СЕТЬ", "сеть"}, {"超时", "超时"},
        {"record 17 of 'Lead'", "record 17 of 'lead'"}, {"E-4711", "e-4711"}, {"σφάλμα", "σφάλμα"},
        {"ΣΦΆΛΜΑ", "σφάλμα"}, {"connection refused", "connection refused"}, {"😀", "😀"}};
    return kWords[below(std::size(kWords))];
  }
  Words message() {
    Words out;
    // Long ones pass what a head keeps, and fingerprints pass what a symbol may have.
    for (std::uint64_t words = one_in(4) ? below(80) : below(4); words > 0; --words) {
      const Words next = word();
      out.first += next.first + " ";
      out.second += next.second + " ";
    }
    return out;
  }
  void add_error(RandomRun& out) {
    if (!one_in(4)) out.run.error_code = code();
    if (!one_in(4)) out.run.error_node = node();
    if (one_in(4)) return;
    auto [text, folded] = message();
    out.run.error_message = std::move(text);
    out.folded_message = std::move(folded);
  }
  void add_text(ModelFilter& out) {
    if (one_in(10)) {
      out.filter.error_text = out.folded_text = "";
      return;
    }
    auto [text, folded] = word();
    if (one_in(3)) {
      const auto [next, next_folded] = word();
      text += " " + next;
      folded += " " + next_folded;
    }
    out.filter.error_text = one_in(2) ? text : folded;
    out.folded_text = folded;
  }
  void add_times(Filter& filter) {
    UnixMs from = time(), to = time();
    if (from > to) std::swap(from, to);
    if (one_in(2)) {
      if (!one_in(3)) filter.finished_from = from;
      if (!one_in(3)) filter.finished_to = to;
    } else {
      if (!one_in(3)) filter.started_from = from;
      if (!one_in(3)) filter.started_to = to;
    }
  }

  std::mt19937_64 random_;
  std::uint64_t ids_ = 0;
};

}  // namespace runlog
