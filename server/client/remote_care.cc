// The part of RemoteLog that takes care of a log: retention, copies, forgetting.
#include "server/client/read_reply.h"
#include "server/client/remote_log.h"
#include "server/protocol/wire_log.h"

namespace runlog {

// ---- retention --------------------------------------------------------------------------------

Expected<Pin> RemoteLog::pin(std::string_view run_id, std::string_view reason,
                             std::optional<UnixMs> until) {
  OutgoingMessage<wire::Pin> request;
  set_run_id(request, run_id);
  RUNLOG_SET_TEXT(*request, Reason, reason);
  RUNLOG_SET_INT(*request, Until, until);
  return read_reply<wire::Pinned>(client_->ask(Kind::kPin, request),
                                  [](auto in) -> Expected<Pin> { return read_pin(in); });
}

Expected<void> RemoteLog::unpin(std::string_view run_id) {
  OutgoingMessage<wire::RunId> request;
  set_run_id(request, run_id);
  return empty_reply(client_->ask(Kind::kUnpin, request));
}

Expected<void> RemoteLog::hide_expired() {
  OutgoingMessage<wire::Empty> request;
  return empty_reply(client_->ask(Kind::kHideExpired, request));
}

Expected<void> RemoteLog::set_retention(const RetentionPolicy& policy) {
  if (auto sound = check_policy(policy); !sound) return sound;  // and the sentence that says why
  const std::vector<std::byte> stored = encode_policy(policy);
  OutgoingMessage<wire::Policy> request;
  request->setPolicy({reinterpret_cast<const kj::byte*>(stored.data()), stored.size()});
  return empty_reply(client_->ask(Kind::kSetPolicy, request));
}

Expected<Log::Hidden> RemoteLog::hidden_by_retention() {
  OutgoingMessage<wire::Empty> request;
  return read_reply<wire::Hidden>(
      client_->ask(Kind::kHidden, request),
      [](auto in) -> Expected<Log::Hidden> { return read_hidden(in); });
}

Expected<std::vector<Pin>> RemoteLog::pins() {
  OutgoingMessage<wire::Empty> request;
  return read_reply<wire::Pins>(client_->ask(Kind::kPins, request),
                                [](auto in) -> Expected<std::vector<Pin>> {
                                  std::vector<Pin> pins;
                                  for (const auto pin : in.getPins()) pins.push_back(read_pin(pin));
                                  return pins;
                                });
}

Expected<RetentionPolicy> RemoteLog::retention() {
  OutgoingMessage<wire::Empty> request;
  return read_reply<wire::Policy>(
      client_->ask(Kind::kGetPolicy, request), [](auto in) -> Expected<RetentionPolicy> {
        return decode_policy(std::as_bytes(std::span(bytes_of(in.getPolicy()))));
      });
}

Expected<SweepReport> RemoteLog::sweep(bool dry_run) {
  OutgoingMessage<wire::Sweep> request;
  request->setDryRun(dry_run);
  return read_reply<wire::Swept>(
      client_->ask(Kind::kSweep, request),
      [](auto in) -> Expected<SweepReport> { return read_sweep(in); });
}

// ---- the whole log ------------------------------------------------------------------------------

Expected<BackupReport> RemoteLog::backup(const std::string& name, const BackupProgress&) {
  OutgoingMessage<wire::Backup> request;
  RUNLOG_SET_TEXT(*request, Name, name);
  return read_reply<wire::BackedUp>(
      client_->ask(Kind::kBackup, request), [](auto in) -> Expected<BackupReport> {
        return BackupReport{in.getRuns(), in.getSegments(), in.getBytes()};
      });
}

Expected<ForgetReport> RemoteLog::ask_to_forget(const ForgetRequest& what, bool dry_run) {
  OutgoingMessage<wire::Forget> request;
  write(what, dry_run, *request);
  return read_reply<wire::Forgotten>(
      client_->ask(Kind::kForget, request),
      [](auto in) -> Expected<ForgetReport> { return read_forgotten(in); });
}

Expected<ForgetReport> RemoteLog::forget(const ForgetRequest& request, const ForgetProgress&) {
  return ask_to_forget(request, false);
}

Expected<ForgetReport> RemoteLog::plan_forget(const ForgetRequest& request) {
  return ask_to_forget(request, true);
}

}  // namespace runlog
