// The one way in which runlog reports failure: Expected<T> holds a T or an Error, and an Error is
// a small code that a program acts on and a whole sentence that a person reads.
//
// It stands in the lowest folder because every layer above uses it.
#pragma once

#include <string>
#include <tl/expected.hpp>

namespace runlog {

enum class ErrorCode {
  NotFound,         // what was asked for is not there
  InvalidArgument,  // the caller's input is refused; nothing was changed
  TooLarge,         // the input is over a limit, which the message names; nothing was changed
  Corruption,       // stored bytes fail a check; the message names the file and the place
  IoError,          // the operating system refused a read, a write or a sync
  DiskFull,         // no room; what was acknowledged is safe, and a later try may succeed
  Busy,             // another process holds the log; the message names it
  OutcomeUnknown,   // a commit failed half-way: retry, appends are idempotent by run id
  Closed,           // the log was closed
  ArchiveFailed,    // runs could not be written to the archive, so they were not removed
};

struct Error {
  ErrorCode code;
  std::string message;  // a whole sentence without the final full stop
};

template <typename T>
using Expected = tl::expected<T, Error>;

// Makes the unexpected half of an Expected: `return fail(ErrorCode::NotFound, "no run '...'")`.
inline tl::unexpected<Error> fail(ErrorCode code, std::string message) {
  return tl::unexpected<Error>(Error{code, std::move(message)});
}

}  // namespace runlog
