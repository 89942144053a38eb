#include "log/record_head.h"

#include <algorithm>
#include <catch2/catch.hpp>
#include <set>

#include "tests/sample_run.h"

namespace runlog {
namespace {

using test::SampleRun;

struct Encoded {
  NameTable names;
  EncodedRun run;
  explicit Encoded(const Run& from, SequenceNumber supersedes = 0) {
    REQUIRE(encode_run(from, names, nullptr, RunLimits(), run));
    finish_record(run.bytes, 5, 1'792'454'500'000, supersedes);
  }
  HeadView head() const { return *HeadView::open(run.bytes, 5); }
};

Run small_run() {
  Run run;
  run.run_id = "r1";
  run.flow_name = "f";
  run.started_at = 1000;
  return run;
}

bool has(std::span<const TermKey> terms, TermKey term) {
  return std::find(terms.begin(), terms.end(), term) != terms.end();
}

}  // namespace

TEST_CASE("a head shows what a list needs") {
  SampleRun sample;
  make_failed_run(sample);
  const Encoded encoded(sample.run, 3);
  RunHead head;
  REQUIRE(decode_head(encoded.head(), 5, encoded.names, head));
  CHECK(head.sequence == 5);
  CHECK(head.run_id == sample.run.run_id);
  CHECK(head.flow_name == "lead_routing");
  CHECK(head.flow_version == 4);
  CHECK(head.status == RunStatus::kFailed);
  CHECK(head.recorded_at == 1'792'454'500'000);
  CHECK(head.started_at == sample.run.started_at);
  CHECK(head.finished_at == sample.run.finished_at);
  CHECK(head.duration_ms == sample.run.duration_ms);
  CHECK(head.error_code == "NODE_FAILURE");
  CHECK(head.error_message == sample.run.error->message);
  CHECK(head.error_node_id == "body_1");
  CHECK_FALSE(head.error_is_cut);
  CHECK(head.node_id == "body_1");
  CHECK(head.organization_id == "acme");
  CHECK(head.user_id == "usr_2djz");
  CHECK(head.trigger_type == "record-after-update");
  CHECK(head.trigger_object == "crm_contact");
  CHECK(head.trigger_record_id == "rec_qulkn69j6pk8rxec");
  CHECK(head.selected == 20);
  CHECK(head.acted == 3);
  CHECK(head.unmeasured == 0);
  CHECK(encoded.head().supersedes() == 3);
  CHECK(encoded.head().record_bytes() == encoded.run.bytes.size());
}

TEST_CASE("a reused RunHead keeps nothing of the run before") {
  SampleRun sample;
  make_failed_run(sample);
  const Encoded full(sample.run);
  const Encoded empty(small_run());
  RunHead head;
  REQUIRE(decode_head(full.head(), 5, full.names, head));
  REQUIRE(decode_head(empty.head(), 5, empty.names, head));
  CHECK(head.run_id == "r1");
  CHECK_FALSE(head.error_message);
  CHECK_FALSE(head.duration_ms);
  CHECK_FALSE(head.user_id);
  CHECK(head.selected == 0);
}

TEST_CASE("the finish and the duration follow from each other where one is missing") {
  Run run = small_run();
  {
    const Encoded encoded(run);
    CHECK_FALSE(encoded.head().has_finished());
    CHECK_FALSE(encoded.head().has_duration());
    CHECK(encoded.head().finished_at() == 1'792'454'500'000);
    CHECK_FALSE(encoded.head().duration_ms());  // it was stored then, which says nothing of it
  }
  run.duration_ms = 50;
  CHECK(Encoded(run).head().finished_at() == 1050);
  run.duration_ms.reset();
  run.finished_at = 1070;
  CHECK(Encoded(run).head().duration_ms() == 70);
  run.duration_ms = 60;
  CHECK(Encoded(run).head().finished_at() == 1070);
  CHECK(Encoded(run).head().duration_ms() == 60);
}

TEST_CASE("run ids of any form come back") {
  for (const char* id : {"run_86f42b41-80f0-4ab5-9165-f621d35ceae6",
                         "run_86F42B41-80f0-4ab5-9165-f621d35ceae6",
                         "run_86f42b41-80f0-4ab5-9165-f621d35ceae",
                         "run_86f42b41-80f0-4ab5-9165_f621d35ceae6",
                         "RUN_86f42b41-80f0-4ab5-9165-f621d35ceae6", "x", "运行"}) {
    Run run = small_run();
    run.run_id = id;
    const Encoded encoded(run);
    CHECK(encoded.head().run_id_is(id));
    CHECK_FALSE(encoded.head().run_id_is("other"));
    std::string text = "=";
    encoded.head().append_run_id(text);
    CHECK(text == std::string("=") + id);
    CHECK(encoded.run.id_hash == run_id_hash(id));
  }
}

TEST_CASE("times before 1970 and far from it come back, further ones are refused") {
  for (const UnixMs time : {UnixMs(-1), kMinStoredTime, kMaxStoredTime}) {
    Run run = small_run();
    run.started_at = time;
    run.finished_at = INT64_MAX;
    const Encoded encoded(run);
    CHECK(encoded.head().started_at() == time);
    CHECK(encoded.head().finished_at() == INT64_MAX);
  }
  Run run = small_run();
  run.started_at = kMaxStoredTime + 1;
  NameTable names;
  EncodedRun encoded;
  CHECK(encode_run(run, names, nullptr, RunLimits(), encoded).error().code ==
        ErrorCode::InvalidArgument);
}

TEST_CASE("the terms of a stored head are those that the encoder gave") {
  SampleRun sample;
  make_failed_run(sample);
  sample.run.labels = {{"env", "prod"}, {"team", "crm"}, {"env", "prod"}};
  const Encoded encoded(sample.run);
  std::vector<TermKey> terms;
  encoded.head().terms(terms);
  CHECK(std::ranges::equal(terms, encoded.run.terms));
  CHECK(std::set<TermKey>(terms.begin(), terms.end()).size() == terms.size());
  const Symbol flow = *encoded.names.find(NameKind::kFlow, "lead_routing");
  CHECK(encoded.head().flow() == flow);
  CHECK(has(terms, TermKey::exact(TermKind::kFlow, flow)));
  CHECK(has(terms, TermKey::exact(TermKind::kStatus, 1)));
  CHECK(has(terms, TermKey::flow_status(flow, 1)));
  CHECK(has(terms, record_term("crm_contact", "rec_qulkn69j6pk8rxec")));
  CHECK(has(terms, TermKey::exact(TermKind::kHasError, 1)));
  CHECK(has(terms, TermKey::exact(TermKind::kFailingNode,
                                  *encoded.names.find(NameKind::kNode, "body_1"))));
  CHECK(has(terms, TermKey::exact(TermKind::kLabel,
                                  *encoded.names.find(NameKind::kLabel, "env=prod"))));
  const std::string fingerprint = error_fingerprint(*sample.run.error->message);
  CHECK(has(terms, TermKey::exact(TermKind::kFingerprint,
                                  *encoded.names.find(NameKind::kFingerprint, fingerprint))));
}

TEST_CASE("a head matches its own values and no others") {
  SampleRun sample;
  make_failed_run(sample);
  sample.run.labels = {{"env", "prod"}};
  const Encoded encoded(sample.run);
  const HeadView head = encoded.head();
  const NameTable& names = encoded.names;
  const std::pair<TermKind, std::string> values[] = {
      {TermKind::kFlow, "lead_routing"},
      {TermKind::kTriggerType, "record-after-update"},
      {TermKind::kTriggerObject, "crm_contact"},
      {TermKind::kUser, "usr_2djz"},
      {TermKind::kOrganization, "acme"},
      {TermKind::kFailingNode, "body_1"},
      {TermKind::kErrorCode, "NODE_FAILURE"},
      {TermKind::kFingerprint, error_fingerprint(*sample.run.error->message)},
      {TermKind::kLabel, "env=prod"}};
  for (const auto& [kind, value] : values) {
    CHECK(head.matches(kind, value, names));
    CHECK_FALSE(head.matches(kind, value + "x", names));
    CHECK_FALSE(Encoded(small_run()).head().matches(kind, value, names));
  }
  CHECK(head.matches_record("crm_contact", "rec_qulkn69j6pk8rxec", names));
  CHECK_FALSE(head.matches_record("crm_lead", "rec_qulkn69j6pk8rxec", names));
  CHECK_FALSE(head.matches_record("crm_contact", "rec_other", names));
}

TEST_CASE("a name that is too long for a symbol is kept, indexed and matched by its text") {
  Run run = small_run();
  const std::string long_user(600, 'u');
  run.user_id = long_user;
  const Encoded encoded(run);
  CHECK(has(encoded.run.terms, inline_term(TermKind::kUser, long_user)));
  CHECK(encoded.head().matches(TermKind::kUser, long_user, encoded.names));
  RunHead head;
  REQUIRE(decode_head(encoded.head(), 5, encoded.names, head));
  CHECK(head.user_id == long_user);
}

TEST_CASE("a head of a version from the future says so") {
  Encoded encoded(small_run());
  encoded.run.bytes[6] = std::byte(9);
  finish_record(encoded.run.bytes, 5, 0, 0);
  const Expected<HeadView> head = HeadView::open(encoded.run.bytes, 5);
  REQUIRE_FALSE(head);
  CHECK(head.error().message == "the head has version 9, which this release does not know");
}

TEST_CASE("too many labels are refused") {
  SampleRun sample;
  sample.run = small_run();
  for (std::size_t i = 0; i <= kMaxLabels; ++i) {
    sample.run.labels.emplace_back(sample.keep("k" + std::to_string(i)), "v");
  }
  NameTable names;
  EncodedRun encoded;
  const Expected<void> done = encode_run(sample.run, names, nullptr, RunLimits(), encoded);
  REQUIRE_FALSE(done);
  CHECK(done.error().message == "field 'labels' has 65 members; the limit is 64");
}

}  // namespace runlog
