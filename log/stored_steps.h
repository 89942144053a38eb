// A step log in a Cap'n Proto struct: its columns and the details beside them. The body of a run
// and a paused run store theirs alike.
#pragma once

#include "log/step_details.h"
#include "log/stored_text.h"

namespace runlog {

// `Owner` is a struct with the fields `steps` and `details`.
template <typename OwnerBuilder>
void write_steps(std::span<const Step* const> steps, UnixMs base, std::string_view run_message,
                 SymbolWriter& symbols, OwnerBuilder out) {
  thread_local ByteWriter columns;
  thread_local std::vector<ColumnGaps> gaps;
  columns.clear();
  write_columns(steps, base, symbols, gaps, columns);
  auto stored = out.initSteps(unsigned(columns.size()));
  std::memcpy(stored.begin(), columns.data(), columns.size());
  unsigned detailed = 0;
  for (std::size_t i = 0; i < steps.size(); ++i) detailed += needs_detail(*steps[i], gaps[i]);
  if (detailed == 0) return;
  auto details = out.initDetails(detailed);
  detailed = 0;
  for (std::size_t i = 0; i < steps.size(); ++i) {
    if (!needs_detail(*steps[i], gaps[i])) continue;
    write_detail(*steps[i], i, gaps[i], run_message, symbols, details[detailed++]);
  }
}

template <typename OwnerReader>
Expected<void> read_steps(OwnerReader stored, UnixMs base, std::string_view run_message,
                          NameReader& names, std::vector<Step>& out) {
  const capnp::Data::Reader columns = stored.getSteps();
  const Expected<void> read = read_columns(
      {reinterpret_cast<const std::byte*>(columns.begin()), columns.size()}, base, names, out);
  if (!read) return read;
  if (!stored.hasDetails()) return {};
  for (const stored::StepDetail::Reader detail : stored.getDetails()) {
    const Expected<void> added = read_detail(detail, run_message, names, out);
    if (!added) return added;
  }
  return {};
}

}  // namespace runlog
