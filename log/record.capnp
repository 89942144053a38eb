# The body of a record: everything about a run that its head does not hold. Field numbers are
# persistent. A null pointer means absent, an empty text is a text. Numbers called symbols are
# numbers of the log's name table; 0 is none.
@0xb7e1f4c05d2a9e63;

using Cxx = import "/capnp/c++.capnp";
$Cxx.namespace("runlog::stored");

struct Body {
  # Bits, see BodyFlag in record_body.cc.
  flags @0 :UInt32;
  omittedSteps @1 :Int64;
  # startTime minus the run's start, where they differ.
  startTimeDelta @2 :Int64;

  # The step log as columns, see step_columns.h.
  steps @3 :Data;
  # What few steps have, in the order of their steps.
  details @4 :List(StepDetail);

  triggerRecord @5 :Text;  # JSON
  summary @6 :Summary;     # where it is not what the steps add up to
  errorMessageRest @7 :Text;  # what the head cut off
  errorExtra @8 :Text;     # JSON
  extra @9 :Text;          # JSON
  suspension @10 :Suspension;
}

# Everything of one step that the columns have no place for.
struct StepDetail {
  step @0 :UInt32;         # its index
  # Bits, see DetailFlag in step_details.cc.
  flags @1 :UInt32;

  errorCode @2 :UInt32;    # symbol
  # The message is the last so many bytes of the run's own error message.
  messageSuffix @3 :UInt32;
  gate @4 :UInt32;         # symbol

  errorMessage @5 :Text;
  errorCodeText @6 :Text;  # where the code has no symbol
  errorStack @7 :Text;
  errorExtra @8 :Text;     # JSON
  warnings @9 :List(Text);
  metricsExtra @10 :Text;  # JSON
  extra @11 :Text;         # JSON

  # Names that are too long for a symbol.
  nodeId @12 :Text;
  nodeType @13 :Text;
  nodeLabel @14 :Text;
  parentNodeId @15 :Text;
  regionKind @16 :Text;
  gateNodeId @17 :Text;
  gateEdgeId @18 :Text;
  gateLabel @19 :Text;
}

struct Summary {
  selected @0 :Int64;
  acted @1 :Int64;
  skipped @2 :Int64;
  unmeasured @3 :Int64;
  # Bits, see SummaryFlag in stored_summary.cc.
  flags @4 :UInt32;
  failed @5 :Int64;
  nodes @6 :List(Node);
  gates @7 :List(Gate);
  extra @8 :Text;  # JSON

  struct Node {
    shape @0 :UInt32;  # symbol of (node id, type, label)
    status @1 :UInt8;  # StepStatus
    flags @2 :UInt8;
    runs @3 :Int64;
    failures @4 :Int64;
    skipped @5 :Int64;
    selected @6 :Int64;
    acted @7 :Int64;
    unmeasured @8 :Int64;
    nodeId @9 :Text;  # these three where the shape has no symbol
    nodeType @10 :Text;
    nodeLabel @11 :Text;
  }

  struct Gate {
    skipped @0 :Int64;
    nodeId @1 :Text;
    targetNodeId @2 :Text;
    edgeId @3 :Text;
    label @4 :Text;
  }
}

# The paused run that this one resumed. What equals the run's own value is not stored again.
struct Suspension {
  # Bits, see SuspensionFlag in stored_suspension.cc.
  flags @0 :UInt32;
  flowVersion @1 :Int64;
  startedAt @2 :Int64;
  startTime @3 :Int64;

  runId @4 :Text;
  flowName @5 :Text;
  nodeId @6 :Text;
  nodeType @7 :Text;
  correlation @8 :Text;
  variables @9 :Text;  # JSON
  context @10 :Text;   # JSON
  screen @11 :Text;    # JSON
  extra @12 :Text;     # JSON
  steps @13 :Data;
  details @14 :List(StepDetail);
}
