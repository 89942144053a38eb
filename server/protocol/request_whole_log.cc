// Requests about a log as a whole: copies of it, and what must vanish from it.
#include "server/open_log.h"
#include "server/protocol/request_handlers.h"
#include "server/protocol/wire_log.h"
#include "server/protocol/wire_value.h"

namespace runlog {

Answer answer_backup(const Question& question) {
  const std::string name(text_of(question.message.root<wire::Backup>().getName()));
  if (question.backups.empty()) {
    return fail(ErrorCode::InvalidArgument,
                "this server makes no backups: its configuration has no backup_dir");
  }
  // It is one, for whoever looks into the copy, and it names nothing outside of the directory.
  if (!is_tenant_name(name)) {
    return fail(ErrorCode::InvalidArgument,
                "a backup's name has 1 to 64 letters, digits, '-' or '_'; the server knows the "
                "directory");
  }
  auto copied = question.log.backup(question.backups / name);
  if (!copied) return tl::unexpected(copied.error());
  OutgoingMessage<wire::BackedUp> reply;
  reply->setRuns(copied->runs);
  reply->setSegments(copied->segments);
  reply->setBytes(copied->bytes);
  return reply_frame(reply, Kind::kBackup, question.request_id);
}

Answer answer_forget(const Question& question) {
  const auto in = question.message.root<wire::Forget>();
  const auto request = read_forget(in);
  if (!request) return tl::unexpected(request.error());
  const auto report = in.getDryRun() ? question.log.plan_forget(*request)
                                     : question.log.forget(*request);
  if (!report) return tl::unexpected(report.error());
  OutgoingMessage<wire::Forgotten> reply;
  write(*report, *reply);
  return reply_frame(reply, Kind::kForget, question.request_id);
}

}  // namespace runlog
