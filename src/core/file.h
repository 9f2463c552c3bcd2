#pragma once
// In:  paths and bytes.
// Out: whole files read within a limit; files written so that a crash leaves either the old or the new content.
// Not here: formats. Durable files never go through stdio or fstream (a failed flush would be lost).

#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "core/error.h"

namespace cp {

// Whole content of a regular file of at most `max_bytes`. Throws UserError(kind) when it is missing, is no regular
// file, is larger, or cannot be read.
std::string read_file(const std::filesystem::path& path, std::uint64_t max_bytes, ErrorKind error_kind);

// The bytes of a regular file where the system keeps them: read when they are touched, forgotten when memory is short.
// For large files that are replaced by renaming only: one that shrinks while it is mapped ends the process.
class MappedFile {
 public:
  // Throws as read_file() does.
  MappedFile(const std::filesystem::path& path, std::uint64_t max_bytes, ErrorKind error_kind);
  ~MappedFile();
  MappedFile(const MappedFile&) = delete;
  MappedFile& operator=(const MappedFile&) = delete;

  std::string_view bytes() const { return bytes_; }

 private:
  std::string_view bytes_;
};

// The one function through which everything that must survive is written: temporary name in the same folder, write,
// fsync, rename, fsync of the folder. On any failure the temporary file is removed and the old content stays; throws
// UserError(write). Creates missing parent folders.
void write_file_durable(const std::filesystem::path& path, std::string_view bytes);

// The same for a file made of several parts, so that a large file needs no second copy in memory.
void write_file_durable(const std::filesystem::path& path, std::span<const std::string_view> parts);

// Renames a finished folder into place and fsyncs the parent. `to` must not exist.
void publish_folder(const std::filesystem::path& from, const std::filesystem::path& to);

// Replaces (or makes) the relative symbolic link `link` -> `target` atomically.
void replace_link(const std::filesystem::path& link, const std::filesystem::path& target);

// SHA-256 in lower-case hex (FIPS 180-4, by libcrypto).
std::string sha256_hex(std::string_view bytes);
std::string sha256_hex_file(const std::filesystem::path& path);

// Test hook: the n-th durable operation (write, fsync, rename, fsync of the folder; counted from 1) fails with ENOSPC.
// 0 switches it off. Every later operation works again.
void set_durable_failpoint(std::uint64_t n);

}  // namespace cp
