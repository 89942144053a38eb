#include "server/ndjson_reader.h"

#include <algorithm>
#include <cstring>

namespace runlog {
namespace {

constexpr std::size_t kFirstBufferBytes = 1u << 20;
constexpr std::string_view kByteOrderMark = "\xEF\xBB\xBF";

bool is_blank(std::string_view text) {
  return text.find_first_not_of(" \t\r") == std::string_view::npos;
}

}  // namespace

NdjsonReader::NdjsonReader(std::unique_ptr<ByteSource> source, std::size_t max_line_bytes,
                           std::function<void()> before_wait)
    : source_(std::move(source)),
      max_line_bytes_(max_line_bytes),
      before_wait_(std::move(before_wait)),
      buffer_(std::min(kFirstBufferBytes, max_line_bytes + 2)) {}

// Makes room behind what is buffered and reads more into it. False at the end of the input.
Expected<bool> NdjsonReader::fill() {
  if (at_end_) return false;
  if (begin_ > 0) {
    std::memmove(buffer_.data(), buffer_.data() + begin_, end_ - begin_);
    end_ -= begin_;
    begin_ = 0;
  }
  // One byte over the limit (two, with a carriage return) is enough to know a line is too long.
  if (end_ == buffer_.size()) {
    buffer_.resize(std::min(buffer_.size() * 2, max_line_bytes_ + 2));
  }
  if (source_->would_wait()) before_wait_();
  auto n = source_->read(std::span(buffer_).subspan(end_));
  if (!n) {
    at_end_ = true;
    return tl::unexpected(n.error());
  }
  end_ += *n;
  at_end_ = *n == 0;
  return !at_end_;
}

Expected<bool> NdjsonReader::next_raw(NdjsonLine& line) {
  line = {};
  std::size_t searched = 0;  // bytes after begin_ that hold no newline
  for (;;) {
    const std::string_view buffered(buffer_.data() + begin_, end_ - begin_);
    const std::size_t newline = buffered.find('\n', searched);
    if (newline != std::string_view::npos) {
      line.number = ++number_;
      line.text = buffered.substr(0, newline);
      begin_ += newline + 1;
      break;
    }
    searched = buffered.size();
    if (buffered.size() >= max_line_bytes_ + 2) {
      line.too_long = true;  // forget what was read of it and look for its end
      begin_ = end_;
      searched = 0;
    }
    auto more = fill();
    if (!more) return tl::unexpected(more.error());
    if (!*more) {
      if (begin_ == end_ && !line.too_long) return false;
      line.number = ++number_;
      line.text = std::string_view(buffer_.data() + begin_, end_ - begin_);
      begin_ = end_;
      break;
    }
  }
  if (!line.text.empty() && line.text.back() == '\r') line.text.remove_suffix(1);
  if (line.text.size() > max_line_bytes_) line.too_long = true;
  if (line.too_long) line.text = {};
  return true;
}

Expected<std::optional<NdjsonLine>> NdjsonReader::next() {
  for (;;) {
    NdjsonLine line;
    auto found = next_raw(line);
    if (!found) return tl::unexpected(found.error());
    if (!*found) return std::nullopt;
    if (line.number == 1 && line.text.substr(0, kByteOrderMark.size()) == kByteOrderMark) {
      line.text.remove_prefix(kByteOrderMark.size());
    }
    if (line.too_long || !is_blank(line.text)) return line;
  }
}

}  // namespace runlog
