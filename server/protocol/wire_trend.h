// What flows did in the past (query/query.h, FlowTrend) as a message, in both directions; as
// wire_query.h.
#pragma once

#include "query/query.h"
#include "server/protocol/protocol.capnp.h"

namespace runlog {

void write(const FlowTrend& trend, wire::Trend::Builder out);
FlowTrend read_trend(wire::Trend::Reader in);

}  // namespace runlog
