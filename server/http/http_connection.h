// HTTP on one connection: requests one after another, each answered before the next is looked at, so
// that answers come in the order of pipelined requests. What may block happens on a worker.
#pragma once

#include <chrono>
#include <memory>
#include <string>
#include <string_view>
#include <variant>

#include "server/http/http_door.h"
#include "server/http/http_request.h"
#include "server/http/http_response.h"
#include "server/http/http_route.h"
#include "server/http/run_stream.h"
#include "server/transport/connection.h"

namespace runlog {

class HttpConnection : public Protocol {
 public:
  // `door` outlives the connection.
  HttpConnection(Connection& connection, HttpDoor& door);
  ~HttpConnection() override;

  void on_bytes(std::string_view bytes) override;
  void on_drained() override;
  void on_end() override;
  void on_stopping() override;
  void on_closed() override;

 private:
  struct Reservation;
  // A request that is being answered; the worker has the rest of it.
  struct Current {
    HttpRoute::Kind kind = HttpRoute::Kind::kOther;
    bool is_head = false, keep_alive = false;
    std::string path;
    std::size_t request_bytes = 0;
    std::chrono::steady_clock::time_point began;
    std::shared_ptr<Reservation> reservation;  // if it is a tenant's
  };

  bool can_go_on() const;
  void go_on();
  void take(std::string_view bytes);
  void step();
  void admit_body();
  void handle(HttpRequest request);
  void handle_for_tenant(HttpRequest request, HttpRoute route);
  void answer_on_worker(HttpRequest request, HttpRoute route, const Grant& grant);
  void start_stream(const HttpRequest& request, const Grant& grant);
  void send_stream_head(RunStream::Options options);

  void act_for(const Grant& grant);
  std::optional<HttpResponse> reserve(const Grant& grant, std::size_t body_bytes);
  HttpResponse metrics(const HttpRequest& request) const;
  void begin(const HttpRequest& request);
  void count(int status, std::size_t response_bytes);
  void send(const HttpResponse& response);
  void refuse_and_close(const HttpResponse& response);

  HttpDoor& door_;
  HttpParser parser_;
  std::string unread_;   // came while a request was being answered
  Current current_;
  std::shared_ptr<TenantLoad> load_;  // of report_.tenant; the next request mostly is the same one's
  ByteRate rate_;
  SessionReport report_;
  std::uint64_t began_at_;
  std::unique_ptr<RunStream> stream_;
  bool is_busy_ = false;       // a worker answers
  bool head_is_timed_ = false, body_is_admitted_ = false;
  bool has_ended_ = false, is_stopping_ = false;
};

}  // namespace runlog
