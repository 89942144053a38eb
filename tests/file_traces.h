// Looks for what is left of a text in the files of a log: in their bytes as they are, and in every
// zstd frame that begins anywhere in them.
#pragma once

#include <zstd.h>

#include <cstddef>
#include <filesystem>
#include <memory>
#include <set>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "tests/cli_process.h"
#include "tests/forget_runs.h"

namespace runlog {

// What a zstd frame at the front of `bytes` holds; empty if there is none. `dictionary` may be empty.
inline std::string unpacked(std::string_view bytes, std::string_view dictionary) {
  auto size = ZSTD_getFrameContentSize(bytes.data(), bytes.size());
  if (size == ZSTD_CONTENTSIZE_UNKNOWN) size = 1u << 20;  // of an archive: more than tests make
  if (size == ZSTD_CONTENTSIZE_ERROR || size > (8u << 20)) return {};
  const auto frame = ZSTD_findFrameCompressedSize(bytes.data(), bytes.size());
  if (ZSTD_isError(frame)) return {};
  std::string out(size, '\0');
  const std::unique_ptr<ZSTD_DCtx, std::size_t (*)(ZSTD_DCtx*)> context(ZSTD_createDCtx(),
                                                                      &ZSTD_freeDCtx);
  const auto done =
      ZSTD_decompress_usingDict(context.get(), out.data(), out.size(), bytes.data(), frame,
                                dictionary.data(), dictionary.size());
  if (ZSTD_isError(done)) return {};
  out.resize(done);
  return out;
}

// The files below `directory` in which the word is found. `raw` are other bytes that must not be there
// either, such as an id in the form in which a record has it.
inline std::set<std::string> files_with(const std::filesystem::path& directory, const Trace& trace,
                                        const std::vector<std::string>& raw = {},
                                        std::string_view dictionary = {}) {
  constexpr std::string_view kFrame("\x28\xB5\x2F\xFD", 4);
  std::set<std::string> found;
  for (const auto& file : std::filesystem::recursive_directory_iterator(directory)) {
    if (!file.is_regular_file()) continue;
    const std::string content = read_text(file.path());
    const std::string_view bytes = content;
    bool is_in = trace.is_in(bytes);
    for (const std::string& one : raw) is_in = is_in || bytes.find(one) != std::string_view::npos;
    for (auto at = bytes.find(kFrame); !is_in && at != std::string_view::npos;
         at = bytes.find(kFrame, at + 1)) {
      is_in = trace.is_in(unpacked(bytes.substr(at), {}));
      if (!is_in && !dictionary.empty()) is_in = trace.is_in(unpacked(bytes.substr(at), dictionary));
    }
    if (is_in) found.insert(std::filesystem::relative(file.path(), directory).string());
  }
  return found;
}

}  // namespace runlog
