// Any bytes as frames and as messages: refused or read, whatever they say.
#include <cstddef>
#include <cstdint>
#include <cstdlib>

#include "server/protocol/frame.h"
#include "server/protocol/message.h"
#include "server/protocol/wire_log.h"
#include "server/protocol/wire_query.h"

using namespace runlog;

namespace {

void keep(const auto&) {}

// Reads a body as every message that is read field by field.
void read_body(std::span<const std::byte> body) {
  if (!check_segments(body)) return;
  const auto read = [&](auto&& as) {
    try {
      ReceivedMessage message(body);
      as(message);
    } catch (const kj::Exception&) {
    }
  };
  read([](auto& message) { keep(read_list_request(message.template root<wire::ListRuns>())); });
  read([](auto& message) { keep(read_page(message.template root<wire::Page>())); });
  read([](auto& message) { keep(read_groups(message.template root<wire::Grouped>())); });
  read([](auto& message) { keep(read_statistics(message.template root<wire::StatsOfFlows>())); });
  read([](auto& message) { keep(read_log_info(message.template root<wire::LogInfo>())); });
  read([](auto& message) { keep(read_paused(message.template root<wire::PausedRun>())); });
  read([](auto& message) { keep(read_sweep(message.template root<wire::Swept>())); });
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  if (size == 0) return 0;
  // The first byte says in how large pieces the rest arrives.
  const std::size_t piece = data[0] + std::size_t(1);
  std::string_view bytes(reinterpret_cast<const char*>(data) + 1, size - 1);
  FrameReader reader(kMaxRequestBytes);
  while (!bytes.empty()) {
    reader.add(bytes.substr(0, piece));
    bytes.remove_prefix(std::min(piece, bytes.size()));
    for (;;) {
      FrameReader::Frame frame;
      const auto there = reader.next(frame);
      if (!there) return 0;
      if (!*there) break;
      if (frame.body.size() != frame.header.body_bytes) std::abort();
      read_body(frame.body);
    }
  }
  return 0;
}
