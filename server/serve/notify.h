// Tells systemd how a service is doing, where systemd started it as Type=notify; see sd_notify(3),
// whose library is not needed for one datagram.
#pragma once

#include <string_view>

namespace runlog {

// READY=1, STOPPING=1. Nothing happens without NOTIFY_SOCKET, or when nobody listens there.
void notify_service(std::string_view state);
// RELOADING=1 with the time that belongs to it; READY=1 follows when it is done.
void notify_reloading();

}  // namespace runlog
