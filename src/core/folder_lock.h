#pragma once
// In:  a folder that one program at a time may fill.
// Out: a lock on it that ends with the process and with the child processes that it leaves behind.
// Not here: folders that appear whole (new_folder.h).

#include <filesystem>

namespace cp {

class FolderLock {
 public:
  // Locks `folder`/`name`, making both when they are missing; the file stays. Throws UserError(write) when another
  // process holds the lock (its number is named) or the file cannot be made.
  FolderLock(const std::filesystem::path& folder, const std::string& name);
  ~FolderLock();
  FolderLock(const FolderLock&) = delete;
  FolderLock& operator=(const FolderLock&) = delete;

 private:
  int fd_ = -1;
};

}  // namespace cp
