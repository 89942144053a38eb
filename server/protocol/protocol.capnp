# The messages of the socket protocol; PROTOCOL.md says how they travel and what they mean. Field
# numbers are persistent. A null pointer means absent, an empty text is a text. Times are
# milliseconds since 1970 (UTC), durations are milliseconds.
@0xd3c6b1f0a94e2785;

using Cxx = import "/capnp/c++.capnp";
$Cxx.namespace("runlog::wire");

# A number that may be absent.
struct Int {
  value @0 :Int64;
}

# ---- any time ---------------------------------------------------------------------------------

struct Hello {
  lowestVersion @0 :UInt16;
  highestVersion @1 :UInt16;
  tenant @2 :Text;   # absent: the token's
  token @3 :Text;    # absent: anonymous
  client @4 :Text;   # for the server's log: name and version
}

struct Welcome {
  version @0 :UInt16;
  role @1 :UInt8;    # 1 read, 2 append, 3 admin
  tenant @2 :Text;
  server @3 :Text;
  maxInFlight @4 :UInt32;
  maxRequestBytes @5 :UInt32;
  maxReplyBytes @6 :UInt32;
}

struct Failure {
  code @0 :UInt16;
  message @1 :Text;          # a sentence for people
  retryAfterMs @2 :UInt32;   # 0: to try again changes nothing
}

struct Cancel {
  requestId @0 :UInt64;
}

struct Empty {
}

# ---- appending --------------------------------------------------------------------------------

struct Append {
  encoding @0 :UInt8;        # 0: JSON
  runs @1 :List(Data);
}

struct AppendResult {
  outcome @0 :UInt8;         # 0 appended, 1 duplicate, 2 superseded, 3 refused
  sequence @1 :UInt64;
  refusal @2 :Failure;       # when it was refused
}

struct Appended {
  results @0 :List(AppendResult);
}

# ---- asking -----------------------------------------------------------------------------------

struct Label {
  key @0 :Text;
  value @1 :Text;
}

struct Filter {
  flows @0 :List(Text);
  statuses @1 :List(UInt8);
  triggerType @2 :Text;
  triggerObject @3 :Text;
  triggerRecord @4 :Text;
  user @5 :Text;
  organization @6 :Text;
  failingNode @7 :Text;
  errorCode @8 :Text;
  fingerprint @9 :Text;
  errorText @10 :Text;
  finishedFrom @11 :Int;
  finishedTo @12 :Int;
  startedFrom @13 :Int;
  startedTo @14 :Int;
  labels @15 :List(Label);
}

struct Get {
  runId @0 :Text;
  form @1 :UInt8;            # 0 JSON, 1 stored record, 2 JSON of the record
}

struct Got {
  form @0 :UInt8;
  run @1 :Data;
  sequence @2 :UInt64;       # of a stored record
}

struct ListRuns {
  filter @0 :Filter;
  oldestFirst @1 :Bool;
  cursor @2 :Text;
  limit @3 :UInt32;
  withTotal @4 :Bool;
  wholeErrors @5 :Bool;      # error messages that heads hold only the beginning of, too
}

struct Head {
  sequence @0 :UInt64;
  runId @1 :Text;
  flowName @2 :Text;
  flowVersion @3 :Int;
  status @4 :UInt8;
  errorIsCut @5 :Bool;       # errorMessage is only its beginning
  recordedAt @6 :Int64;
  startedAt @7 :Int64;
  finishedAt @8 :Int;
  durationMs @9 :Int;
  errorCode @10 :Text;
  errorMessage @11 :Text;
  errorNodeId @12 :Text;
  nodeId @13 :Text;
  organizationId @14 :Text;
  userId @15 :Text;
  triggerType @16 :Text;
  triggerObject @17 :Text;
  triggerRecordId @18 :Text;
  selected @19 :Int64;
  acted @20 :Int64;
  unmeasured @21 :Int64;
}

struct Page {
  runs @0 :List(Head);
  hasMore @1 :Bool;
  incomplete @2 :Bool;
  nextCursor @3 :Text;
  total @4 :UInt64;
}

struct Count {
  filter @0 :Filter;
}

struct Counted {
  count @0 :UInt64;
  incomplete @1 :Bool;
}

struct Groups {
  by @0 :UInt8;              # a term kind
  filter @1 :Filter;
  limit @2 :UInt32;          # 0: all that fit
}

struct Group {
  name @0 :Text;
  count @1 :UInt64;
  object @2 :Text;           # groups by record
}

struct Grouped {
  groups @0 :List(Group);
  totalGroups @1 :UInt64;
  totalRuns @2 :UInt64;      # that the filter fits
  groupedRuns @3 :UInt64;    # that are in a group
  incomplete @4 :Bool;
}

struct Stats {
  flow @0 :Text;             # absent: every flow, their sum first
}

struct Hour {
  start @0 :Int64;
  runs @1 :List(UInt64);
}

struct FlowStats {
  flow @0 :Text;
  runs @1 :List(UInt64);     # by status
  p50Ms @2 :Int64;           # -1: no durations
  p95Ms @3 :Int64;
  p99Ms @4 :Int64;
  selected @5 :Int64;
  acted @6 :Int64;
  unmeasured @7 :Int64;
  bytes @8 :UInt64;
  lastRun @9 :Int;
  lastFailure @10 :Int;
  byHour @11 :List(Hour);
}

struct StatsOfFlows {
  flows @0 :List(FlowStats);
}

# What one flow, or all, did in a while, with the runs that are gone.
struct FlowPeriod {
  name @0 :Text;             # of a period of Trend.periods
  from @1 :Int64;
  to @2 :Int64;              # of a period of Trend.periods
  runs @3 :List(UInt64);     # by status
  selected @4 :Int64;
  acted @5 :Int64;
  unmeasured @6 :Int64;
  durations @7 :List(Bucket);
}

# Of a histogram of durations; numbers as log/FORMAT.md has them.
struct Bucket {
  number @0 :UInt16;
  runs @1 :UInt64;
}

struct Trend {
  periods @0 :List(FlowPeriod);
  hours @1 :List(FlowPeriod);
  days @2 :List(FlowPeriod);
  measuredAt @3 :Int64;
  hoursFrom @4 :Int;
  daysFrom @5 :Int;
  droppedBefore @6 :Int;
  uncounted @7 :UInt64;
  hasUnnamed @8 :Bool;
  runsFrom @9 :Int;
}

struct Follow {
  from @0 :UInt64;           # the first sequence number wanted; 0: what is appended from now on
  flows @1 :List(Text);      # of these alone, if any are given
  heartbeatMs @2 :UInt32;    # 0: 15,000
}

struct FollowedRun {
  sequence @0 :UInt64;
  json @1 :Data;
}

struct Followed {
  runs @0 :List(FollowedRun);
  next @1 :UInt64;           # `from` of a Follow that goes on after these
}

struct Segment {
  id @0 :UInt64;
  state @1 :Text;
  runs @2 :UInt64;
  hidden @3 :UInt64;
  fileBytes @4 :UInt64;
  first @5 :UInt64;
  last @6 :UInt64;
  oldest @7 :Int64;
  newest @8 :Int64;
}

struct Dictionary {
  number @0 :UInt32;
  bytes @1 :UInt64;
}

struct LogInfo {
  logId @0 :UInt64;
  segments @1 :List(Segment);
  runs @2 :UInt64;
  hidden @3 :UInt64;
  bytes @4 :UInt64;
  indexMemoryBytes @5 :UInt64;
  dictionaries @6 :List(Dictionary);
  names @7 :UInt64;
  paused @8 :UInt64;
  incomplete @9 :Bool;
  problem @10 :Text;
  archive @11 :Text;
  archiveProblem @12 :Text;
}

# ---- paused runs ------------------------------------------------------------------------------

# A paused run as JSON, or a terminal run as JSON.
struct JsonRun {
  json @0 :Data;
}

struct RunId {
  runId @0 :Text;
}

struct PausedRun {
  number @0 :UInt64;
  state @1 :UInt8;           # 1 paused, 2 running
  sequence @2 :UInt64;
  savedAt @3 :Int64;
  owner @4 :Text;
  claimedAt @5 :Int64;
  runId @6 :Text;
  flowName @7 :Text;
  flowVersion @8 :Int;
  nodeId @9 :Text;
  correlation @10 :Text;
  startedAt @11 :Int64;
  json @12 :Data;            # the suspended run; absent in lists
}

struct Existed {
  existed @0 :Bool;
}

struct PausedList {
  flow @0 :Text;
  correlation @1 :Text;
  before @2 :UInt64;
  limit @3 :UInt32;          # 0: 100
}

struct PausedPage {
  runs @0 :List(PausedRun);
  nextBefore @1 :UInt64;
}

struct PausedClaim {
  runId @0 :Text;
  nodeId @1 :Text;
  correlation @2 :Text;
  owner @3 :Text;
}

struct Claimed {
  run @0 :PausedRun;         # absent when the claim was lost
  lostBecause @1 :Text;
}

# ---- retention --------------------------------------------------------------------------------

struct Pin {
  runId @0 :Text;
  reason @1 :Text;
  until @2 :Int;
}

struct Pinned {
  runId @0 :Text;
  reason @1 :Text;
  pinnedAt @2 :Int64;
  until @3 :Int;
  sequence @4 :UInt64;
}

struct Pins {
  pins @0 :List(Pinned);
}

# What retention has hidden since the log was opened.
struct Hidden {
  byCap @0 :UInt64;
  byAge @1 :UInt64;
  byBytes @2 :UInt64;
}

struct Policy {
  policy @0 :Data;           # as log/FORMAT.md stores a retention policy
}

struct Sweep {
  dryRun @0 :Bool;
}

struct SweptRuns {
  runs @0 :UInt64;
  bytes @1 :UInt64;
  segments @2 :UInt64;
}

struct Swept {
  byCap @0 :SweptRuns;
  byAge @1 :SweptRuns;
  byBytes @2 :SweptRuns;
  hiddenBefore @3 :SweptRuns;
  stays @4 :SweptRuns;
  droppedSegments @5 :UInt64;
  mergedSegments @6 :UInt64;
  freedBytes @7 :UInt64;
  writtenBytes @8 :UInt64;
  measuredAt @9 :Int64;
  clockJumped @10 :Bool;
  archivedRuns @11 :UInt64;
  archivedBytes @12 :UInt64;
}

# ---- the whole log ----------------------------------------------------------------------------

struct Backup {
  name @0 :Text;             # of a directory below the server's, as a tenant's name
}

struct BackedUp {
  runs @0 :UInt64;
  segments @1 :UInt64;
  bytes @2 :UInt64;
}

struct Forget {
  by @0 :UInt8;              # 0 organization, 1 user, 2 record, 3 run
  object @1 :Text;           # of a record
  values @2 :List(Text);
  dryRun @3 :Bool;
}

struct Forgotten {
  runs @0 :UInt64;
  records @1 :UInt64;
  recordBytes @2 :UInt64;
  paused @3 :UInt64;
  pins @4 :UInt64;
  rewrittenSegments @5 :UInt64;
  droppedSegments @6 :UInt64;
  freedBytes @7 :UInt64;
  writtenBytes @8 :UInt64;
  mayHold @9 :List(Text);    # the files' names, without where they lie on the server
}
