// Requests about what a log keeps: pins, its policy, sweeps.
#include "server/protocol/request_handlers.h"
#include "server/protocol/wire_log.h"
#include "server/protocol/wire_value.h"

namespace runlog {
namespace {

Answer empty_reply(const Question& question, Kind kind) {
  OutgoingMessage<wire::Empty> reply;
  return reply_frame(reply, kind, question.request_id);
}

}  // namespace

Answer answer_pin(const Question& question) {
  const auto request = question.message.root<wire::Pin>();
  auto pin = question.log.pin(text_of(request.getRunId()), text_of(request.getReason()),
                              RUNLOG_GET_INT(request, Until));
  if (!pin) return tl::unexpected(pin.error());
  OutgoingMessage<wire::Pinned> reply;
  write(*pin, *reply);
  return reply_frame(reply, Kind::kPin, question.request_id);
}

Answer answer_unpin(const Question& question) {
  const auto request = question.message.root<wire::RunId>();
  if (auto done = question.log.unpin(text_of(request.getRunId())); !done)
    return tl::unexpected(done.error());
  return empty_reply(question, Kind::kUnpin);
}

Answer answer_pins(const Question& question) {
  auto pins = question.log.pins();
  if (!pins) return tl::unexpected(pins.error());
  OutgoingMessage<wire::Pins> reply;
  auto list = reply->initPins(unsigned(pins->size()));
  for (unsigned i = 0; i < pins->size(); ++i) write((*pins)[i], list[i]);
  return reply_frame(reply, Kind::kPins, question.request_id);
}

Answer answer_get_policy(const Question& question) {
  auto policy = question.log.retention();
  if (!policy) return tl::unexpected(policy.error());
  const std::vector<std::byte> stored = encode_policy(*policy);
  OutgoingMessage<wire::Policy> reply;
  reply->setPolicy({reinterpret_cast<const kj::byte*>(stored.data()), stored.size()});
  return reply_frame(reply, Kind::kGetPolicy, question.request_id);
}

Answer answer_set_policy(const Question& question) {
  const auto request = question.message.root<wire::Policy>();
  auto policy = decode_policy(std::as_bytes(std::span(bytes_of(request.getPolicy()))));
  if (!policy) return fail(ErrorCode::InvalidArgument, policy.error().message);
  const auto known = question.log.retention();
  if (!known) return tl::unexpected(known.error());
  // Nobody far away chooses where this machine writes.
  if (policy->archive != known->archive)
    return fail(ErrorCode::InvalidArgument,
                "an archive is set or ended on the server's machine, not through it");
  if (auto set = question.log.set_retention(*policy); !set) return tl::unexpected(set.error());
  return empty_reply(question, Kind::kSetPolicy);
}

Answer answer_sweep(const Question& question) {
  const bool dry_run = question.message.root<wire::Sweep>().getDryRun();
  auto report = dry_run ? question.log.plan_sweep() : question.log.sweep();
  if (!report) return tl::unexpected(report.error());
  OutgoingMessage<wire::Swept> reply;
  write(*report, *reply);
  return reply_frame(reply, Kind::kSweep, question.request_id);
}

Answer answer_hide_expired(const Question& question) {
  if (auto hidden = question.log.hide_expired(); !hidden) return tl::unexpected(hidden.error());
  return empty_reply(question, Kind::kHideExpired);
}

Answer answer_hidden(const Question& question) {
  OutgoingMessage<wire::Hidden> reply;
  write(question.log.hidden_by_retention(), *reply);
  return reply_frame(reply, Kind::kHidden, question.request_id);
}

}  // namespace runlog
