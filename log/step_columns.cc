#include "log/step_columns.h"

#include <algorithm>
#include <array>

namespace runlog {
namespace {

// Persistent: never renumber. Which columns there are besides shapes and durations.
enum Column : std::uint8_t {
  kFields = 1 << 0,
  kStartGaps = 1 << 1,
  kStatuses = 1 << 2,
  kTimings = 1 << 3,
};

// Persistent: never renumber. A step's byte in the fields column: which values it has.
enum Field : std::uint8_t {
  kSelected = 1 << 0,
  kActed = 1 << 1,
  kUnmeasured = 1 << 2,  // the value is true; it has no column
  kParent = 1 << 3,
  kIteration = 1 << 4,
  kRegion = 1 << 5,
  kBranch = 1 << 6,
  kRetry = 1 << 7,
};

// Persistent: never renumber. What is unusual about a step's times.
enum Timing : std::uint8_t {
  kNoStart = 1 << 0,
  kNoCompletion = 1 << 1,
  kNoDuration = 1 << 2,
  kCompletionDiffers = 1 << 3,  // from start + duration, by the number that follows
};

constexpr std::uint8_t kNoStatus = 3;  // in the statuses column, beside the StepStatus values

std::uint8_t fields_of(const Step& step) {
  unsigned fields = 0;
  if (step.metrics) {
    if (step.metrics->selected) fields |= kSelected;
    if (step.metrics->acted) fields |= kActed;
    if (step.metrics->unmeasured_effect.value_or(false)) fields |= kUnmeasured;
  }
  if (step.parent_node_id) fields |= kParent;
  if (step.iteration) fields |= kIteration;
  if (step.region_kind) fields |= kRegion;
  if (step.branch) fields |= kBranch;
  if (step.retry_attempt) fields |= kRetry;
  return std::uint8_t(fields);
}

// ---- writing --------------------------------------------------------------------------------

// Entries of a column that few steps are in: how many, then for each the distance to the step
// before it in the column, and what the caller appends.
class SparseColumn {
 public:
  ByteWriter& next(std::size_t step) {
    ++count_;
    bytes_.varint(step - last_);
    last_ = step;
    return bytes_;
  }
  void clear() {
    bytes_.clear();
    count_ = last_ = 0;
  }
  bool empty() const { return count_ == 0; }
  void append_to(ByteWriter& out) const {
    if (count_ == 0) return;
    out.varint(count_);
    out.bytes(bytes_.data(), bytes_.size());
  }

 private:
  ByteWriter bytes_;
  std::size_t count_ = 0;
  std::size_t last_ = 0;
};

// A column of symbols that repeat: each symbol and how often it comes.
class RepeatColumn {
 public:
  void add(Symbol symbol) {
    if (count_ > 0 && symbol == symbol_) {
      ++count_;
      return;
    }
    flush();
    symbol_ = symbol;
    count_ = 1;
  }
  void clear() {
    bytes_.clear();
    count_ = 0;
  }
  void append_to(ByteWriter& out) {
    flush();
    out.bytes(bytes_.data(), bytes_.size());
  }

 private:
  void flush() {
    if (count_ == 0) return;
    bytes_.varint(symbol_);
    bytes_.varint(count_);
    count_ = 0;
  }
  ByteWriter bytes_;
  Symbol symbol_ = 0;
  std::size_t count_ = 0;
};

class ColumnWriter {
 public:
  void write(std::span<const Step* const> steps, UnixMs base, SymbolWriter& symbols,
             std::vector<ColumnGaps>& gaps, ByteWriter& out) {
    clear(base);
    gaps.assign(steps.size(), {});
    out.varint(steps.size());
    const std::size_t mask_at = out.size();
    out.byte(0);
    for (std::size_t i = 0; i < steps.size(); ++i) {
      const Step& step = *steps[i];
      const Symbol shape = symbols.shape(NameKind::kStepShape,
                                         {step.node_id, step.node_type, step.node_label});
      gaps[i].shape = shape == 0;
      out.signed_varint(std::int64_t(shape) - std::int64_t(last_shape_));
      last_shape_ = shape;
      add_times(i, step);
      add_fields(step, symbols, gaps[i]);
      if (step.status != StepStatus::kSuccess) {
        const std::uint8_t status = step.status ? std::uint8_t(*step.status) : kNoStatus;
        statuses_.next(i).byte(status);
      }
    }
    append_columns(out);
    out.data()[mask_at] = std::byte(mask());
  }

 private:
  void clear(UnixMs base) {
    for (ByteWriter* column : {&durations_, &fields_, &selected_, &acted_, &iterations_,
                               &branches_, &retries_}) {
      column->clear();
    }
    for (SparseColumn* column : {&start_gaps_, &statuses_, &timings_}) column->clear();
    parents_.clear();
    regions_.clear();
    any_field_ = 0;
    last_shape_ = 0;
    last_iteration_ = last_branch_ = 0;
    clock_ = base;
  }

  // Every step is expected to start where the one before it ended.
  void add_times(std::size_t index, const Step& step) {
    const UnixMs start = step.started_at.value_or(clock_);
    const std::int64_t duration = step.duration_ms.value_or(0);
    durations_.varint(std::uint64_t(duration));
    if (start != clock_) start_gaps_.next(index).signed_varint(minus(start, clock_));
    clock_ = plus(start, duration);
    unsigned timing = 0;
    if (!step.started_at) timing |= kNoStart;
    if (!step.duration_ms) timing |= kNoDuration;
    if (!step.completed_at) {
      timing |= kNoCompletion;
    } else if (*step.completed_at != clock_) {
      timing |= kCompletionDiffers;
    }
    if (timing == 0) return;
    ByteWriter& out = timings_.next(index);
    out.byte(std::uint8_t(timing));
    if (timing & kCompletionDiffers) out.signed_varint(minus(*step.completed_at, clock_));
  }

  void add_fields(const Step& step, SymbolWriter& symbols, ColumnGaps& gaps) {
    const std::uint8_t fields = fields_of(step);
    fields_.byte(fields);
    any_field_ |= fields;
    if (fields & kSelected) selected_.varint(std::uint64_t(*step.metrics->selected));
    if (fields & kActed) acted_.varint(std::uint64_t(*step.metrics->acted));
    if (fields & kParent) {
      const Symbol parent = symbols.symbol(NameKind::kNode, "parentNodeId", *step.parent_node_id);
      gaps.parent = parent == 0;
      parents_.add(parent);
    }
    if (fields & kIteration) {
      iterations_.signed_varint(minus(*step.iteration, last_iteration_));
      last_iteration_ = *step.iteration;
    }
    if (fields & kRegion) {
      const Symbol region = symbols.symbol(NameKind::kRegionKind, "regionKind", *step.region_kind);
      gaps.region = region == 0;
      regions_.add(region);
    }
    if (fields & kBranch) {
      branches_.signed_varint(minus(*step.branch, last_branch_));
      last_branch_ = *step.branch;
    }
    if (fields & kRetry) retries_.signed_varint(*step.retry_attempt);
  }

  std::uint8_t mask() const {
    unsigned mask = 0;
    if (any_field_ != 0) mask |= kFields;
    if (!start_gaps_.empty()) mask |= kStartGaps;
    if (!statuses_.empty()) mask |= kStatuses;
    if (!timings_.empty()) mask |= kTimings;
    return std::uint8_t(mask);
  }

  void append_columns(ByteWriter& out) {
    const auto append = [&](const ByteWriter& column) { out.bytes(column.data(), column.size()); };
    append(durations_);
    if (any_field_ != 0) {
      append(fields_);
      append(selected_);
      append(acted_);
      parents_.append_to(out);
      append(iterations_);
      regions_.append_to(out);
      append(branches_);
      append(retries_);
    }
    start_gaps_.append_to(out);
    statuses_.append_to(out);
    timings_.append_to(out);
  }

  ByteWriter durations_, fields_, selected_, acted_, iterations_, branches_, retries_;
  RepeatColumn parents_, regions_;
  SparseColumn start_gaps_, statuses_, timings_;
  std::uint8_t any_field_ = 0;
  Symbol last_shape_ = 0;
  std::int64_t last_iteration_ = 0, last_branch_ = 0;
  UnixMs clock_ = 0;
};

}  // namespace

void write_columns(std::span<const Step* const> steps, UnixMs base, SymbolWriter& symbols,
                   std::vector<ColumnGaps>& gaps, ByteWriter& out) {
  thread_local ColumnWriter writer;
  writer.write(steps, base, symbols, gaps, out);
}

// ---- reading --------------------------------------------------------------------------------

namespace {

class ColumnReader {
 public:
  ColumnReader(std::span<const std::byte> columns, NameReader& names)
      : in_(columns.data(), columns.size()), names_(names) {}

  // False if anything does not fit.
  bool read(UnixMs base, std::vector<Step>& out) {
    const std::uint64_t count = in_.varint();
    const std::uint8_t mask = in_.byte();
    // Each step takes a byte of the shapes and one of the durations at least.
    if (in_.failed() || count > kMaxStoredSteps || count > in_.left() / 2) return false;
    out.clear();
    out.resize(std::size_t(count));
    read_shapes(out);
    for (Step& step : out) step.duration_ms = std::int64_t(in_.varint());
    if (mask & kFields) read_fields(out);
    for (Step& step : out) step.status = StepStatus::kSuccess;
    return read_times(mask, base, out) && read_statuses(mask, out) && read_timings(mask, out) &&
           !bad_ && !in_.failed();
  }

 private:
  void read_shapes(std::vector<Step>& out) {
    std::int64_t symbol = 0;
    for (Step& step : out) {
      symbol = plus(symbol, in_.signed_varint());
      if (symbol == 0) continue;  // a detail has the names
      if (symbol < 0 || symbol > 0xffffffffll) {
        bad_ = true;
        return;
      }
      const auto shape = shape_of(names_.name(NameKind::kStepShape, Symbol(symbol)));
      if (!shape) continue;  // the name reader knows that the symbol has no name
      step.node_id = shape->node_id;
      step.node_type = shape->node_type;
      step.node_label = shape->node_label;
    }
  }

  void read_fields(std::vector<Step>& out) {
    const std::string_view fields = in_.bytes(out.size());
    if (fields.size() != out.size()) return;
    const auto each = [&](unsigned field, auto&& visit) {
      for (std::size_t i = 0; i < out.size(); ++i) {
        if (std::uint8_t(fields[i]) & field) visit(out[i]);
      }
    };
    each(kSelected | kActed | kUnmeasured, [](Step& step) { step.metrics.emplace(); });
    each(kSelected, [&](Step& step) { step.metrics->selected = std::int64_t(in_.varint()); });
    each(kActed, [&](Step& step) { step.metrics->acted = std::int64_t(in_.varint()); });
    each(kUnmeasured, [](Step& step) { step.metrics->unmeasured_effect = true; });
    const auto repeated = [&](NameKind kind) {
      return [this, kind, text = std::string_view(), left = std::uint64_t(0)]() mutable {
        if (left == 0) {
          const Symbol symbol = Symbol(in_.varint());
          left = in_.varint();
          if (left == 0) bad_ = true;
          text = symbol == 0 ? std::string_view() : names_.name(kind, symbol);
        }
        --left;
        return text;
      };
    };
    each(kParent, [next = repeated(NameKind::kNode)](Step& step) mutable {
      step.parent_node_id = next();
    });
    std::int64_t iteration = 0;
    each(kIteration, [&](Step& step) {
      step.iteration = iteration = plus(iteration, in_.signed_varint());
    });
    each(kRegion, [next = repeated(NameKind::kRegionKind)](Step& step) mutable {
      step.region_kind = next();
    });
    std::int64_t branch = 0;
    each(kBranch, [&](Step& step) { step.branch = branch = plus(branch, in_.signed_varint()); });
    each(kRetry, [&](Step& step) { step.retry_attempt = in_.signed_varint(); });
  }

  // Visits the entries of a sparse column; false if one is outside the steps.
  template <typename Visit>
  bool each_sparse(std::size_t steps, Visit&& visit) {
    const std::uint64_t count = in_.varint();
    std::uint64_t at = 0;
    for (std::uint64_t i = 0; i < count; ++i) {
      const std::uint64_t distance = in_.varint();
      if (in_.failed() || distance >= steps - at || (distance == 0 && i > 0)) return false;
      at += distance;
      visit(std::size_t(at));
    }
    return true;
  }

  bool read_times(std::uint8_t mask, UnixMs base, std::vector<Step>& out) {
    // completed_at holds the gap in front of a step until its times are known.
    if (mask & kStartGaps) {
      const bool fits = each_sparse(
          out.size(), [&](std::size_t i) { out[i].completed_at = in_.signed_varint(); });
      if (!fits) return false;
    }
    UnixMs clock = base;
    for (Step& step : out) {
      clock = plus(clock, step.completed_at.value_or(0));
      step.started_at = clock;
      clock = plus(clock, *step.duration_ms);
      step.completed_at = clock;
    }
    return true;
  }

  bool read_statuses(std::uint8_t mask, std::vector<Step>& out) {
    bool known = true;
    if (mask & kStatuses) {
      const bool fits = each_sparse(out.size(), [&](std::size_t i) {
        const std::uint8_t status = in_.byte();
        if (status > kNoStatus) known = false;
        out[i].status = status == kNoStatus ? std::nullopt : std::optional(StepStatus(status));
      });
      if (!fits) return false;
    }
    return known;
  }

  bool read_timings(std::uint8_t mask, std::vector<Step>& out) {
    if (mask & kTimings) {
      const bool fits = each_sparse(out.size(), [&](std::size_t i) {
        const std::uint8_t timing = in_.byte();
        if (timing & kCompletionDiffers) {
          out[i].completed_at = plus(*out[i].completed_at, in_.signed_varint());
        }
        if (timing & kNoStart) out[i].started_at.reset();
        if (timing & kNoCompletion) out[i].completed_at.reset();
        if (timing & kNoDuration) out[i].duration_ms.reset();
      });
      if (!fits) return false;
    }
    return true;
  }

  ByteReader in_;
  NameReader& names_;
  bool bad_ = false;
};

}  // namespace

Expected<void> read_columns(std::span<const std::byte> columns, UnixMs base, NameReader& names,
                            std::vector<Step>& out) {
  if (!ColumnReader(columns, names).read(base, out)) {
    return fail(ErrorCode::Corruption, "the step columns do not add up");
  }
  return names.finish();
}

}  // namespace runlog
