#include "core/folder_lock.h"

#include <fcntl.h>
#include <sys/file.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>

#include <fmt/format.h>

#include "core/error.h"

namespace cp {

namespace fs = std::filesystem;

FolderLock::FolderLock(const fs::path& folder, const std::string& name) {
  const fs::path file = folder / name;
  std::error_code failed;
  fs::create_directories(folder, failed);
  // Without O_CLOEXEC: a child that outlives a killed parent still writes into the folder, and keeps the lock.
  fd_ = failed ? -1 : ::open(file.c_str(), O_RDWR | O_CREAT | O_NOFOLLOW, 0644);
  if (fd_ < 0)
    throw UserError(ErrorKind::write, file.string(),
                    fmt::format("cannot create ({}).", failed ? failed.message() : std::strerror(errno)),
                    "Check the path and its permissions.");
  if (::flock(fd_, LOCK_EX | LOCK_NB) != 0) {
    const int error = errno;
    char text[32] = {};
    const ssize_t n = error == EWOULDBLOCK ? ::pread(fd_, text, sizeof text - 1, 0) : 0;
    ::close(fd_);
    const std::string holder(text, n > 0 ? std::strspn(text, "0123456789") : 0);
    throw UserError(ErrorKind::write, folder.string(),
                    error != EWOULDBLOCK ? fmt::format("cannot lock ({}).", std::strerror(error))
                    : holder.empty()     ? std::string("another process is at work here.")
                                         : fmt::format("process {} (or one that it started) is at work here.", holder),
                    "Wait for its end, or name another folder.");
  }
  const std::string number = fmt::format("{}\n", ::getpid());
  // What the file says helps people only; the lock holds without it.
  if (::ftruncate(fd_, 0) == 0 && ::pwrite(fd_, number.data(), number.size(), 0) < 0) (void)::ftruncate(fd_, 0);
}

FolderLock::~FolderLock() { ::close(fd_); }

}  // namespace cp
