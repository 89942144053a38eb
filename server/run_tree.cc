#include "server/run_tree.h"

#include <algorithm>
#include <optional>
#include <tuple>

#include <fmt/format.h>

#include "server/quantities.h"
#include "server/step_tree.h"
#include "server/terminal_table.h"

namespace runlog {
namespace {

constexpr unsigned kIndent = 2;
// So many iterations are shown whole; of more, the first and those that failed.
constexpr std::size_t kUnfoldedIterations = 3;

// Children of one container that belong together: one turn of a loop, one branch, one region.
struct StepGroup {
  std::optional<std::int64_t> iteration, branch;
  OptionalText region;
  std::vector<std::size_t> steps;
  bool failed = false;
  bool warned = false;
};

class TreeWriter {
 public:
  TreeWriter(const std::vector<Step>& steps, const RunTreeOptions& options, const Screen& screen)
      : steps_(steps), options_(options), screen_(screen), tree_(build_step_tree(steps)),
        table_({{"", TerminalTable::Align::kLeft, 16},
                {"", TerminalTable::Align::kLeft, 8},
                {"", TerminalTable::Align::kRight, 0},
                {"", TerminalTable::Align::kLeft, 8}}) {
    find_failing_step();
  }

  std::string render() {
    for (const std::size_t root : tree_.roots) write_step(root, 0);
    return table_.render(screen_);
  }

 private:
  void find_failing_step();
  std::vector<StepGroup> groups_of(const StepTree::Node& node) const;
  void write_step(std::size_t at, unsigned depth);
  void write_children(const StepTree::Node& node, unsigned depth);
  void write_group(const StepGroup& group, bool titled, unsigned depth);
  void write_folded(const StepGroup* first, const StepGroup* last, unsigned depth);
  void write_error(std::size_t at, unsigned depth);
  void write_heading(const std::string& text, unsigned depth);
  std::string notes_of(std::size_t at) const;
  bool repeats_child_error(std::size_t at) const;
  std::string_view mark(StepStatus status) const;

  const std::vector<Step>& steps_;
  const RunTreeOptions& options_;
  const Screen& screen_;
  StepTree tree_;
  TerminalTable table_;
  std::optional<std::size_t> failing_step_;
};

Style style_of(std::optional<StepStatus> status) {
  if (status == StepStatus::kFailure) return Style::kBad;
  if (status == StepStatus::kSkipped) return Style::kDim;
  return Style::kPlain;
}

void TreeWriter::find_failing_step() {
  for (std::size_t i = 0; options_.failing_node && i < steps_.size(); ++i) {
    if (steps_[i].status == StepStatus::kFailure && steps_[i].node_id == options_.failing_node) {
      failing_step_ = i;
    }
  }
}

std::string_view TreeWriter::mark(StepStatus status) const {
  switch (status) {
    case StepStatus::kSuccess: return screen_.utf8 ? "✓" : "+";
    case StepStatus::kFailure: return screen_.utf8 ? "✗" : "x";
    case StepStatus::kSkipped: return screen_.dash();
  }
  return "?";
}

std::string TreeWriter::notes_of(std::size_t at) const {
  const Step& step = steps_[at];
  std::string notes;
  const auto note = [&](std::string_view text) {
    if (!notes.empty()) notes += ", ";
    notes += text;
  };
  if (step.metrics && step.metrics->selected) {
    note(fmt::format("selected {}", *step.metrics->selected));
  }
  if (step.metrics && step.metrics->acted) note(fmt::format("acted {}", *step.metrics->acted));
  if (step.metrics && step.metrics->unmeasured_effect == true) note("effect unmeasured");
  if (step.retry_attempt && *step.retry_attempt > 0) {
    note(fmt::format("retry {}", *step.retry_attempt));
  }
  if (step.skipped_by) {
    note(fmt::format("skipped by {}", step.skipped_by->node_id));
    if (step.skipped_by->label) notes += fmt::format(" ({})", *step.skipped_by->label);
  }
  if (tree_.nodes[at].orphan) note(fmt::format("in {}", *step.parent_node_id));
  if (failing_step_ == at) note(screen_.utf8 ? "← the run failed here" : "<- the run failed here");
  return notes;
}

void TreeWriter::write_heading(const std::string& text, unsigned depth) {
  table_.add_line(text, depth * kIndent, Style::kDim, TerminalTable::Overflow::kCut);
}

// A container fails because something in it did, and engines repeat the inner message in the outer
// one; said once it is easier to see.
bool TreeWriter::repeats_child_error(std::size_t at) const {
  const Step& step = steps_[at];
  if (!step.error || !step.error->message) return false;
  const auto& children = tree_.nodes[at].children;
  return std::any_of(children.begin(), children.end(), [&](std::size_t child) {
    const auto& error = steps_[child].error;
    return error && error->message && !error->message->empty() &&
           step.error->message->find(*error->message) != Text::npos;
  });
}

void TreeWriter::write_error(std::size_t at, unsigned depth) {
  const Step& step = steps_[at];
  const unsigned indent = depth * kIndent + kIndent;
  for (const Text warning : step.warnings.value_or(std::vector<Text>())) {
    table_.add_line("warning: " + std::string(warning), indent, Style::kWarning,
                    TerminalTable::Overflow::kWrap);
  }
  if (!step.error || repeats_child_error(at)) return;
  std::string text(step.error->code.value_or(""));
  if (step.error->message) {
    if (!text.empty()) text += ": ";
    text += *step.error->message;
  }
  if (!text.empty()) {
    table_.add_line(std::move(text), indent, Style::kBad, TerminalTable::Overflow::kWrap);
  }
}

void TreeWriter::write_step(std::size_t at, unsigned depth) {
  const Step& step = steps_[at];
  std::string name(depth * kIndent, ' ');
  name += step.status ? mark(*step.status) : "?";
  name += ' ';
  const Text id = step.node_id.value_or("(no node id)");
  name += step.node_label && *step.node_label != id ? fmt::format("{} ({})", *step.node_label, id)
                                                    : std::string(id);
  const Style style = style_of(step.status);
  table_.add_row({{std::move(name), style},
                  {std::string(step.node_type.value_or("")), Style::kDim},
                  {step.duration_ms ? format_duration(*step.duration_ms) : "", Style::kPlain},
                  {notes_of(at), failing_step_ == at ? Style::kBad : Style::kPlain}});
  write_error(at, depth);
  write_children(tree_.nodes[at], depth + 1);
}

std::vector<StepGroup> TreeWriter::groups_of(const StepTree::Node& node) const {
  std::vector<StepGroup> groups;
  for (const std::size_t child : node.children) {
    const Step& step = steps_[child];
    const auto key = std::tie(step.iteration, step.branch, step.region_kind);
    // Branches run side by side and their steps come interleaved, hence the search.
    auto group = std::find_if(groups.rbegin(), groups.rend(), [&](const StepGroup& g) {
      return std::tie(g.iteration, g.branch, g.region) == key;
    });
    if (group == groups.rend()) {
      groups.push_back({step.iteration, step.branch, step.region_kind, {}});
      group = groups.rbegin();
    }
    group->steps.push_back(child);
    group->failed |= tree_.nodes[child].failed;
    group->warned |= step.warnings && !step.warnings->empty();
  }
  return groups;
}

void TreeWriter::write_children(const StepTree::Node& node, unsigned depth) {
  if (node.children.empty()) return;
  const std::vector<StepGroup> groups = groups_of(node);
  const bool loop = groups.front().iteration.has_value();
  // What an engine shortened before it handed the run over: the first turns are not there.
  if (loop && *groups.front().iteration > 1) {
    write_heading(fmt::format("iterations before {} are not in the step log",
                              *groups.front().iteration), depth);
  }
  const bool titled = groups.size() > 1 || loop || groups.front().branch.has_value();
  const bool fold = loop && !options_.every_iteration && groups.size() > kUnfoldedIterations;
  // When nothing failed, the first turn is shown as an example of what the loop does.
  const auto folds = [&](std::size_t i) {
    return fold && groups[i].iteration && !groups[i].failed && !groups[i].warned &&
           (node.failed || i > 0);
  };
  for (std::size_t i = 0; i < groups.size();) {
    if (!folds(i)) {
      write_group(groups[i++], titled, depth);
      continue;
    }
    std::size_t last = i;
    while (last + 1 < groups.size() && folds(last + 1) &&
           *groups[last + 1].iteration - 1 == *groups[last].iteration) {
      ++last;
    }
    write_folded(&groups[i], &groups[last], depth);
    i = last + 1;
  }
}

void TreeWriter::write_group(const StepGroup& group, bool titled, unsigned depth) {
  std::string title;
  const auto add = [&](std::string_view text) {
    if (!title.empty()) title += ", ";
    title += text;
  };
  if (group.iteration) add(fmt::format("iteration {}", *group.iteration));
  if (group.branch) add(fmt::format("branch {}", *group.branch));
  if (!group.iteration && !group.branch && group.region) add(*group.region);
  if (titled && !title.empty()) {
    write_heading(title, depth);
    ++depth;
  }
  for (const std::size_t step : group.steps) write_step(step, depth);
}

void TreeWriter::write_folded(const StepGroup* first, const StepGroup* last, unsigned depth) {
  std::size_t steps = 0;
  std::int64_t total_ms = 0;
  for (const StepGroup* group = first; group <= last; ++group) {
    steps += group->steps.size();
    for (const std::size_t step : group->steps) {
      // Durations come from outside; a sum that does not fit is no sum.
      if (__builtin_add_overflow(total_ms, steps_[step].duration_ms.value_or(0), &total_ms)) {
        total_ms = 0;
      }
    }
  }
  const std::string which =
      first == last ? fmt::format("iteration {}", *first->iteration)
                    : fmt::format("iterations {}{}{}", *first->iteration, screen_.dash(),
                                  *last->iteration);
  write_heading(fmt::format("{} {}: {}, {}, none failed", mark(StepStatus::kSuccess), which,
                            count_of(steps, "step"), format_duration(total_ms)), depth);
}

}  // namespace

std::string render_run_tree(const std::vector<Step>& steps, const RunTreeOptions& options,
                            const Screen& screen) {
  return TreeWriter(steps, options, screen).render();
}

}  // namespace runlog
