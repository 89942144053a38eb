// What threads of a test find wrong.
#pragma once

#include <mutex>
#include <string>

#include "index/error.h"

namespace runlog {

// Catch2's assertions are for one thread, so the others write down what went wrong.
class Complaints {
 public:
  void add(const std::string& text) {
    const std::lock_guard lock(mutex_);
    if (texts_.size() < 2000) texts_ += text + "\n";
  }
  template <typename T>
  bool check(const Expected<T>& result) {
    if (!result) add(result.error().message);
    return result.has_value();
  }
  std::string all() const { return texts_; }

 private:
  std::mutex mutex_;
  std::string texts_;
};

}  // namespace runlog
