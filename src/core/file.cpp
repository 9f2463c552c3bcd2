#include "core/file.h"

#include <fcntl.h>
#include <openssl/evp.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include <atomic>
#include <cerrno>
#include <cstring>
#include <utility>

#include <fmt/format.h>

#include "core/error.h"

namespace cp {
namespace {

namespace fs = std::filesystem;

std::atomic<std::uint64_t> g_failpoint{0};
std::atomic<std::uint64_t> g_operations{0};

// True when the failpoint says that this durable operation fails; errno is set as the disk would set it.
bool fails_here() {
  const std::uint64_t want = g_failpoint.load();
  if (want == 0) return false;
  if (g_operations.fetch_add(1) + 1 != want) return false;
  errno = ENOSPC;
  return true;
}

class Descriptor {
 public:
  explicit Descriptor(int fd) : fd_(fd) {}
  Descriptor(const Descriptor&) = delete;
  Descriptor& operator=(const Descriptor&) = delete;
  ~Descriptor() {
    if (fd_ >= 0) ::close(fd_);
  }
  int get() const { return fd_; }

 private:
  int fd_;
};

[[noreturn]] void throw_write_error(const fs::path& path, const char* step) {
  const int error = errno;
  throw UserError(ErrorKind::write, path.string(), fmt::format("cannot {} ({}).", step, std::strerror(error)),
                  error == ENOSPC ? "Free some space or choose another folder; the previous content is untouched."
                                  : "Check the path and its permissions; the previous content is untouched.");
}

void fsync_folder(const fs::path& folder) {
  const Descriptor dir(::open(folder.empty() ? "." : folder.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
  if (dir.get() < 0 || fails_here() || ::fsync(dir.get()) != 0) throw_write_error(folder, "sync the folder");
}

void write_all(int fd, std::string_view bytes, const fs::path& path) {
  if (fails_here()) throw_write_error(path, "write");
  while (!bytes.empty()) {
    const ssize_t n = ::write(fd, bytes.data(), bytes.size());
    if (n < 0) {
      if (errno == EINTR) continue;
      throw_write_error(path, "write");
    }
    bytes.remove_prefix(static_cast<std::size_t>(n));
  }
}

std::string hex(const unsigned char* digest, unsigned size) {
  std::string text;
  for (unsigned i = 0; i < size; ++i) text += fmt::format("{:02x}", digest[i]);
  return text;
}

}  // namespace

namespace {

// An opened regular file of at most `max_bytes`, and its size.
std::pair<int, std::uint64_t> open_regular(const fs::path& path, std::uint64_t max_bytes, ErrorKind kind) {
  const int fd = ::open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK);
  if (fd < 0)
    throw UserError(kind, path.string(), fmt::format("cannot open ({}).", std::strerror(errno)),
                    "Check the path and its permissions.");
  struct stat info {};
  const bool regular = ::fstat(fd, &info) == 0 && S_ISREG(info.st_mode);
  const auto size = static_cast<std::uint64_t>(info.st_size);
  if (regular && size <= max_bytes) return {fd, size};
  ::close(fd);
  if (!regular) throw UserError(kind, path.string(), "wanted a regular file, found something else.", "Name a file.");
  throw UserError(kind, path.string(), fmt::format("file of {} bytes, at most {} are read.", size, max_bytes),
                  "Check that this is the file you meant.");
}

}  // namespace

MappedFile::MappedFile(const fs::path& path, std::uint64_t max_bytes, ErrorKind kind) {
  const auto [fd, size] = open_regular(path, max_bytes, kind);
  const Descriptor file(fd);
  if (size == 0) return;
  void* const address = ::mmap(nullptr, size, PROT_READ, MAP_PRIVATE, file.get(), 0);
  if (address == MAP_FAILED)
    throw UserError(kind, path.string(), fmt::format("cannot map {} bytes ({}).", size, std::strerror(errno)),
                    "Copy it to another disk, or free some memory.");
  bytes_ = {static_cast<const char*>(address), size};
}

MappedFile::~MappedFile() {
  if (!bytes_.empty()) ::munmap(const_cast<char*>(bytes_.data()), bytes_.size());
}

std::string read_file(const fs::path& path, std::uint64_t max_bytes, ErrorKind kind) {
  const auto [fd, size] = open_regular(path, max_bytes, kind);
  const Descriptor file(fd);
  std::string bytes(size, '\0');
  std::size_t done = 0;
  while (done < bytes.size()) {
    const ssize_t n = ::read(file.get(), bytes.data() + done, bytes.size() - done);
    if (n < 0 && errno == EINTR) continue;
    if (n <= 0)
      throw UserError(kind, path.string(), fmt::format("wanted {} bytes, could read {}.", size, done),
                      "The file changed or the disk fails; try again.");
    done += static_cast<std::size_t>(n);
  }
  return bytes;
}

void write_file_durable(const fs::path& path, std::string_view bytes) {
  const std::string_view parts[] = {bytes};
  write_file_durable(path, parts);
}

void write_file_durable(const fs::path& path, std::span<const std::string_view> parts) {
  const fs::path folder = path.parent_path();
  if (!folder.empty()) {
    std::error_code failed;
    fs::create_directories(folder, failed);
    if (failed) {
      errno = failed.value();
      throw_write_error(folder, "make the folder");
    }
  }
  const fs::path temporary = path.string() + fmt::format(".tmp-{}", ::getpid());
  try {
    {
      const Descriptor file(::open(temporary.c_str(), O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0644));
      if (file.get() < 0) throw_write_error(path, "create");
      for (const std::string_view part : parts) write_all(file.get(), part, path);
      if (fails_here() || ::fsync(file.get()) != 0) throw_write_error(path, "sync");
    }
    if (fails_here() || ::rename(temporary.c_str(), path.c_str()) != 0) throw_write_error(path, "rename into place");
  } catch (...) {
    ::unlink(temporary.c_str());
    throw;
  }
  fsync_folder(folder);
}

void publish_folder(const fs::path& from, const fs::path& to) {
  if (fs::exists(to))
    throw UserError(ErrorKind::write, to.string(), "exists already.", "Choose another name or remove it first.");
  fsync_folder(from);
  if (fails_here() || ::rename(from.c_str(), to.c_str()) != 0) throw_write_error(to, "rename the folder into place");
  fsync_folder(to.parent_path());
}

void replace_link(const fs::path& link, const fs::path& target) {
  const fs::path temporary = link.string() + fmt::format(".tmp-{}", ::getpid());
  ::unlink(temporary.c_str());
  if (fails_here() || ::symlink(target.c_str(), temporary.c_str()) != 0) throw_write_error(link, "make the link");
  if (::rename(temporary.c_str(), link.c_str()) != 0) {
    ::unlink(temporary.c_str());
    throw_write_error(link, "rename the link into place");
  }
  fsync_folder(link.parent_path());
}

std::string sha256_hex(std::string_view bytes) {
  unsigned char digest[EVP_MAX_MD_SIZE];
  unsigned size = 0;
  CP_CHECK(EVP_Digest(bytes.data(), bytes.size(), digest, &size, EVP_sha256(), nullptr) == 1, "SHA-256");
  return hex(digest, size);
}

std::string sha256_hex_file(const fs::path& path) {
  const Descriptor file(::open(path.c_str(), O_RDONLY | O_CLOEXEC));
  if (file.get() < 0)
    throw UserError(ErrorKind::model, path.string(), fmt::format("cannot open ({}).", std::strerror(errno)),
                    "Check the path and its permissions.");
  EVP_MD_CTX* context = EVP_MD_CTX_new();
  EVP_DigestInit_ex(context, EVP_sha256(), nullptr);
  std::vector<char> buffer(1 << 20);
  ssize_t n = 0;
  while ((n = ::read(file.get(), buffer.data(), buffer.size())) > 0)
    EVP_DigestUpdate(context, buffer.data(), static_cast<std::size_t>(n));
  unsigned char digest[EVP_MAX_MD_SIZE];
  unsigned size = 0;
  EVP_DigestFinal_ex(context, digest, &size);
  EVP_MD_CTX_free(context);
  if (n < 0)
    throw UserError(ErrorKind::model, path.string(), fmt::format("cannot read ({}).", std::strerror(errno)), "");
  return hex(digest, size);
}

void set_durable_failpoint(std::uint64_t n) {
  g_operations = 0;
  g_failpoint = n;
}

}  // namespace cp
