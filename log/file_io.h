// The one seam through which our own code changes files and directories (LMDB writes its files
// itself). Everything here is synced before it returns, so that what a caller builds on it survives
// a power cut.
#pragma once

#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <functional>
#include <memory>
#include <span>
#include <string>
#include <utility>

#include "index/error.h"

namespace runlog {

// An IoError (DiskFull for ENOSPC and EDQUOT, NotFound for ENOENT) that names the deed, the path and
// the cause.
Error system_error(int error_number, const std::string& deed, const std::filesystem::path& path);

// Turns what LMDB and the system said of a failed write into what the caller should do about it:
// DiskFull or OutcomeUnknown in place of IoError. `directory` is on the disk in question.
Error explain_write_failure(Error error, const std::filesystem::path& directory);

// Creates `directory` and missing parents; syncs each new directory and the one that holds it.
// Succeeds if it is there. Errors: IoError; DiskFull.
Expected<void> make_directory(const std::filesystem::path& directory);

// Makes the entries of `directory` durable. Errors: IoError.
Expected<void> sync_directory(const std::filesystem::path& directory);

// Makes sure that the disk has room for the first `bytes` of a file, which is created if it is not
// there. Its content stays. Errors: IoError; DiskFull.
Expected<void> reserve_file(const std::filesystem::path& file, std::uint64_t bytes);

// A piece of a file: where it begins, and its bytes.
struct FilePart {
  std::uint64_t offset = 0;
  std::span<const std::byte> bytes;
};
// Overwrites pieces of an existing file and syncs it. Errors: NotFound; IoError; DiskFull.
Expected<void> write_parts(const std::filesystem::path& file, std::span<const FilePart> parts);

// Gives `file` this content, as a whole or not at all, and these permissions: whoever reads it sees
// what was there before or all of `bytes`. Errors: IoError; DiskFull; NotFound (no such directory).
Expected<void> replace_file(const std::filesystem::path& file, std::span<const std::byte> bytes,
                            unsigned permissions);

// A file that is written from its beginning.
class NewFile {
 public:
  // Creates `file`, or empties the one that is there. Errors: NotFound (its directory); IoError;
  // DiskFull.
  static Expected<std::unique_ptr<NewFile>> create(const std::filesystem::path& file);
  ~NewFile();
  NewFile(const NewFile&) = delete;
  NewFile& operator=(const NewFile&) = delete;
  // Errors: IoError; DiskFull.
  Expected<void> write(std::span<const std::byte> bytes);
  // Makes the content durable, and what is read of it later is read from the disk. Its name is durable
  // once its directory is. Errors: IoError; DiskFull.
  Expected<void> finish();
  // For whoever writes the file by itself.
  int descriptor() const { return descriptor_; }

 private:
  NewFile(std::filesystem::path file, int descriptor)
      : file_(std::move(file)), descriptor_(descriptor) {}
  std::filesystem::path file_;
  int descriptor_;
};

// Calls `visit` with the content of `file`, piece by piece, until one fails. What the system cannot
// read is an error here, where a mapping would end the process.
// Errors: NotFound; IoError; those of `visit`.
using VisitBytes = std::function<Expected<void>(std::span<const std::byte> bytes)>;
Expected<void> read_file(const std::filesystem::path& file, const VisitBytes& visit);

// Makes a file's content durable. Errors: IoError; NotFound.
Expected<void> sync_file(const std::filesystem::path& file);

// Removes a directory with the plain files in it, then syncs the parent. Succeeds if it is not
// there. Errors: IoError.
Expected<void> remove_directory(const std::filesystem::path& directory);

// Removes a directory and all that is in it, however deep, then syncs the parent. Follows no symbolic
// link. Succeeds if it is not there. Errors: IoError.
Expected<void> remove_tree(const std::filesystem::path& directory);

// Removes a file, then syncs its directory. Succeeds if it is not there. Errors: IoError.
Expected<void> remove_file(const std::filesystem::path& file);

// Moves a directory or a file and syncs both parents. A file that has the name `to` is replaced, an
// empty directory likewise. Errors: IoError; NotFound.
Expected<void> move_entry(const std::filesystem::path& from, const std::filesystem::path& to);

// Whether `path` is `directory` or lies in it, symbolic links resolved; neither need exist.
bool is_within(const std::filesystem::path& path, const std::filesystem::path& directory);

// Lets two directories of one parent change their names with each other, at once, and syncs the
// parent. Errors: IoError (also of a file system that cannot do this); NotFound.
Expected<void> exchange_directories(const std::filesystem::path& a, const std::filesystem::path& b);

Expected<std::uint64_t> file_bytes(const std::filesystem::path& file);

// A file mapped for reading, its descriptor closed. The bytes live as long as the mapping.
class FileMapping {
 public:
  // Errors: NotFound; IoError.
  static Expected<std::unique_ptr<FileMapping>> open(const std::filesystem::path& file);
  ~FileMapping();
  FileMapping(const FileMapping&) = delete;
  FileMapping& operator=(const FileMapping&) = delete;
  std::span<const std::byte> bytes() const { return bytes_; }

 private:
  explicit FileMapping(std::span<const std::byte> bytes) : bytes_(bytes) {}
  std::span<const std::byte> bytes_;
};

// Held by the one process that writes a log. The operating system lets go of it when the process
// dies, however it dies.
class WriterLock {
 public:
  // Waits half a minute for readers that keep writers out, half a second for a writer. Errors: Busy
  // (names the writer's process id, or says that readers are opening the log); IoError.
  static Expected<std::unique_ptr<WriterLock>> take(const std::filesystem::path& file);
  // Keeps writers out for a moment, beside other readers. Null if there is a writer, or if the file
  // cannot be locked because nobody may write here.
  static std::unique_ptr<WriterLock> keep_writers_out(const std::filesystem::path& file);
  ~WriterLock();
  WriterLock(const WriterLock&) = delete;
  WriterLock& operator=(const WriterLock&) = delete;

 private:
  explicit WriterLock(int descriptor) : descriptor_(descriptor) {}
  int descriptor_;
};

}  // namespace runlog
