// What --connect and its companions mean.
#pragma once

#include <string>

#include "index/error.h"
#include "server/client/client_options.h"

namespace runlog {

struct ConnectArguments {
  std::string address;
  std::string token_file;  // empty: anonymous
  std::string ca_file;     // empty: whom the system believes
  std::string tenant;      // empty: the token's
};

// Errors: InvalidArgument (the address, the token's file, the certificates); NotFound (no such
// file); IoError.
Expected<ClientOptions> server_options(const ConnectArguments& arguments);

}  // namespace runlog
