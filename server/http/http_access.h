// Who may ask what: tokens, their roles, and what needs none on this machine.
#pragma once

#include <optional>
#include <variant>

#include "server/http/http_door.h"
#include "server/http/http_request.h"
#include "server/http/http_response.h"
#include "server/http/http_route.h"

namespace runlog {

// Whom a request acts for; else its answer: 401 or 403. `is_local`: it comes from this machine.
std::variant<Grant, HttpResponse> authorize(const HttpRequest& request, const HttpRoute& route,
                                            const HttpDoor& door, bool is_local);

// For requests that need no token on this machine, where any web page can make a browser send some:
// 403 if one of another site does so (Origin), or if its name was made to lead here (Host). nullopt:
// a person or a program here means this server.
std::optional<HttpResponse> refuse_web_page(const HttpRequest& request);

}  // namespace runlog
