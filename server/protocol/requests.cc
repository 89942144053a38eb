#include "server/protocol/requests.h"

#include <fmt/format.h>

#include "server/protocol/request_handlers.h"

namespace runlog {
namespace {

bool always(ReceivedMessage&) { return true; }

constexpr RequestKind kRequests[] = {
    {Kind::kGet, Role::kRead, &answer_get, &always},
    {Kind::kList, Role::kRead, &answer_list, &is_short_list},
    {Kind::kCount, Role::kRead, &answer_count, &is_short_count},
    {Kind::kGroups, Role::kRead, &answer_groups, nullptr},
    {Kind::kStats, Role::kRead, &answer_stats, nullptr},
    {Kind::kInfo, Role::kRead, &answer_info, nullptr},
    {Kind::kTrend, Role::kRead, &answer_trend, nullptr},
    {Kind::kPausedSave, Role::kAppend, &answer_paused_save, nullptr, true},
    {Kind::kPausedLoad, Role::kRead, &answer_paused_load, &always},
    {Kind::kPausedDelete, Role::kAppend, &answer_paused_delete, nullptr},
    {Kind::kPausedList, Role::kRead, &answer_paused_list, nullptr},
    {Kind::kPausedClaim, Role::kAppend, &answer_paused_claim, nullptr},
    {Kind::kPausedComplete, Role::kAppend, &answer_paused_complete, nullptr, true},
    {Kind::kPin, Role::kAppend, &answer_pin, nullptr},
    {Kind::kUnpin, Role::kAppend, &answer_unpin, nullptr},
    {Kind::kPins, Role::kRead, &answer_pins, nullptr},
    {Kind::kGetPolicy, Role::kRead, &answer_get_policy, nullptr},
    {Kind::kSetPolicy, Role::kAdmin, &answer_set_policy, nullptr},
    {Kind::kSweep, Role::kAdmin, &answer_sweep, nullptr},
    {Kind::kHideExpired, Role::kAppend, &answer_hide_expired, nullptr},
    {Kind::kHidden, Role::kRead, &answer_hidden, nullptr},
    {Kind::kBackup, Role::kAdmin, &answer_backup, nullptr},
    {Kind::kForget, Role::kAdmin, &answer_forget, nullptr},
};

}  // namespace

const RequestKind* find_request(std::uint16_t kind) {
  for (const RequestKind& request : kRequests)
    if (std::uint16_t(request.kind) == kind) return &request;
  return nullptr;
}

Expected<std::string> answer(const RequestKind& kind, const Question& question) {
  try {
    return kind.answer(question);
  } catch (const kj::Exception& unsound) {
    return fail(ErrorCode::InvalidArgument,
                fmt::format("the message is unsound: {}", unsound.getDescription().cStr()));
  }
}

Expected<std::string> reply_frame(MessageSpace& message, Kind kind, std::uint64_t request_id) {
  if (const std::size_t bytes = message.body_bytes(); bytes > kMaxReplyBytes) {
    return fail(ErrorCode::TooLarge,
                fmt::format("the reply would have {} bytes, the limit is {}; ask for less at a "
                            "time", bytes, kMaxReplyBytes));
  }
  return message.frame(std::uint16_t(kind) | kReply, request_id);
}

}  // namespace runlog
