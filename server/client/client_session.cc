#include "server/client/client_session.h"

#include <cstring>

#include "server/protocol/wire_value.h"

namespace runlog {
namespace {

constexpr std::size_t kIdOffset = 8;  // in a frame's header

struct ReadFailure {
  FailureCode code;
  std::string message;
  std::uint32_t retry_after_ms;
};

ReadFailure read_failure(std::span<const std::byte> body) {
  ReceivedMessage message(body);
  const auto failure = message.root<wire::Failure>();
  return {FailureCode(failure.getCode()), std::string(RUNLOG_GET_TEXT(failure, Message)),
          failure.getRetryAfterMs()};
}

bool is_worth_a_retry(FailureCode code) {
  return code == FailureCode::kOverloaded || code == FailureCode::kOutcomeUnknown ||
         code == FailureCode::kClosed;
}

// Sent again, it does no harm. A claim may have been made, and would be lost to itself then;
// a backup would find its own.
bool may_send_again(const ClientRequest& request, FailureCode code) {
  if (request.on_reply) return false;
  return request.is_idempotent() ? is_worth_a_retry(code) : code == FailureCode::kOverloaded;
}

}  // namespace

ClientSession::ClientSession(Connection& connection, const ClientOptions& options, Events events)
    : Protocol(connection), events_(std::move(events)) {
  OutgoingMessage<wire::Hello> hello;
  hello->setLowestVersion(kProtocolVersion);
  hello->setHighestVersion(kProtocolVersion);
  if (!options.tenant.empty()) RUNLOG_SET_TEXT(*hello, Tenant, options.tenant);
  if (!options.token.empty()) RUNLOG_SET_TEXT(*hello, Token, options.token);
  RUNLOG_SET_TEXT(*hello, Client, options.name);
  connection_.write(hello.frame(std::uint16_t(Kind::kHello), 1));
}

void ClientSession::send(const ClientRequestPtr& request) {
  const std::uint64_t id = next_id_++;
  ++request->attempts;
  open_.emplace(id, request);
  std::memcpy(request->frame.data() + kIdOffset, &id, sizeof id);
  connection_.write(request->frame);
}

void ClientSession::cancel(std::uint64_t request_id) {
  OutgoingMessage<wire::Cancel> cancel;
  cancel->setRequestId(request_id);
  connection_.write(cancel.frame(std::uint16_t(Kind::kCancel), next_id_++));
  open_.erase(request_id);
}

std::vector<ClientRequestPtr> ClientSession::take_late(std::uint64_t now) {
  std::vector<std::uint64_t> ids;
  std::vector<ClientRequestPtr> late;
  for (const auto& [id, request] : open_) {
    if (request->on_reply || request->give_up_at > now) continue;
    ids.push_back(id);
    late.push_back(request);
  }
  for (const std::uint64_t id : ids) cancel(id);
  return late;
}

void ClientSession::on_bytes(std::string_view bytes) {
  reader_.add(bytes);
  FrameReader::Frame frame;
  while (!connection_.is_closing()) {
    const auto there = reader_.next(frame);
    if (!there) return end_with(there.error(), true);
    if (!*there) return;
    if (const auto sound = check_segments(frame.body); !sound) return end_with(sound.error(), true);
    try {
      is_ready_ ? take(frame) : take_hello(frame);
    } catch (const kj::Exception& unsound) {
      return end_with({ErrorCode::InvalidArgument, "the server's reply is unsound"}, true);
    }
  }
}

void ClientSession::take_hello(const FrameReader::Frame& frame) {
  if (frame.header.kind == kReply) {
    const ReadFailure failure = read_failure(frame.body);
    return end_with(error_of(failure.code, failure.message), !is_worth_a_retry(failure.code));
  }
  if (frame.header.kind != (std::uint16_t(Kind::kHello) | kReply))
    return end_with({ErrorCode::InvalidArgument, "the server did not answer the hello"}, true);
  ReceivedMessage message(frame.body);
  max_in_flight_ = message.root<wire::Welcome>().getMaxInFlight();
  is_ready_ = true;
  connection_.finish_within(std::nullopt);
  events_.ready(*this);
}

void ClientSession::take(const FrameReader::Frame& frame) {
  const auto found = open_.find(frame.header.request_id);
  if (found == open_.end()) {
    if (frame.header.request_id != 0 || frame.header.kind != kReply) return;  // given up, or new
    const ReadFailure failure = read_failure(frame.body);
    return end_with(error_of(failure.code, failure.message), false);
  }
  // Whoever is told of the reply may send more, and that changes open_.
  const ClientRequestPtr request = found->second;
  const std::uint64_t id = frame.header.request_id;
  if (frame.header.kind == kReply) {
    open_.erase(id);
    return take_failure(request, frame.body);
  }
  if (frame.header.kind != (std::uint16_t(request->kind) | kReply))
    return end_with({ErrorCode::InvalidArgument, "the server answered another question"}, true);
  if (request->on_reply) {
    if (request->on_reply(Reply(frame.body))) return;
    cancel(id);
    return events_.answered(request, fail(ErrorCode::Closed, "not followed any more"));
  }
  open_.erase(id);
  events_.answered(request, Reply(frame.body));
}

void ClientSession::take_failure(const ClientRequestPtr& request, std::span<const std::byte> body) {
  ReadFailure failure = read_failure(body);
  Error error = error_of(failure.code, std::move(failure.message));
  if (may_send_again(*request, failure.code))
    return events_.put_off(request, std::move(error), failure.retry_after_ms);
  events_.answered(request, tl::unexpected(std::move(error)));
}

void ClientSession::end_with(Error why, bool is_final) {
  why_ = std::move(why);
  is_final_ = is_final;
  connection_.close();
}

void ClientSession::on_closed() {
  std::vector<ClientRequestPtr> lost;
  for (auto& [id, request] : open_) lost.push_back(std::move(request));
  open_.clear();
  events_.gone(*this, std::move(lost), why_, is_final_);
}

}  // namespace runlog
