#pragma once
// In:  the path of a folder that is to be made.
// Out: a working folder beside it that is renamed into place when everything is in it, or removed.
// Not here: folders that grow file by file (learn/run_folder.h).

#include <filesystem>

namespace cp {

class NewFolder {
 public:
  // Throws UserError(usage) for an empty name, UserError(write) when `target` exists, or its working folder: another
  // run is at work, or was cut off.
  explicit NewFolder(const std::filesystem::path& target);
  ~NewFolder();  // removes what was not published
  NewFolder(const NewFolder&) = delete;
  NewFolder& operator=(const NewFolder&) = delete;

  const std::filesystem::path& target() const { return target_; }  // absolute, ends in a name
  const std::filesystem::path& path() const { return partial_; }
  void publish();

 private:
  std::filesystem::path target_, partial_;
  bool published_ = false;
};

}  // namespace cp
