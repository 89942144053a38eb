#include "log/run.h"

#include <tuple>

namespace runlog {

bool operator==(const Run& a, const Run& b) {
  const auto rest = [](const Run& run) {
    return std::tie(run.run_id, run.flow_name, run.flow_version, run.status, run.started_at,
                    run.start_time, run.finished_at, run.duration_ms, run.error, run.node_id,
                    run.organization_id, run.user_id, run.trigger_type, run.trigger_object,
                    run.trigger_record_id, run.trigger_record_json, run.steps, run.omitted_steps,
                    run.summary, run.labels, run.extra_json);
  };
  if (!a.consumed_suspension != !b.consumed_suspension) return false;
  if (a.consumed_suspension && *a.consumed_suspension != *b.consumed_suspension) return false;
  return rest(a) == rest(b);
}

}  // namespace runlog
