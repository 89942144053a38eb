// Whether this build has a sanitizer in it, and how sparsely a test then goes through its cases.
#pragma once

#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
#define RUNLOG_SANITIZED 1
#elif defined(__has_feature)
#if __has_feature(address_sanitizer) || __has_feature(thread_sanitizer)
#define RUNLOG_SANITIZED 1
#endif
#endif

namespace runlog {

// `n` where a sanitizer makes each case many times slower, else 1.
constexpr unsigned one_in([[maybe_unused]] unsigned n) {
#ifdef RUNLOG_SANITIZED
  return n;
#else
  return 1;
#endif
}

}  // namespace runlog
