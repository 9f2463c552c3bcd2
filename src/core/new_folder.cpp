#include "core/new_folder.h"

#include "core/file.h"

namespace cp {

namespace fs = std::filesystem;

NewFolder::NewFolder(const fs::path& path) {
  if (path.empty()) throw UserError(ErrorKind::usage, "--out", "is empty.", "Name a folder.");
  const fs::path out = fs::absolute(path).lexically_normal();
  target_ = out.has_filename() ? out : out.parent_path();  // "x/" names x
  const fs::path partial = target_.string() + ".partial";
  if (fs::exists(target_))
    throw UserError(ErrorKind::write, target_.string(), "exists already.", "Give another name, or remove it first.");
  if (fs::exists(partial))
    throw UserError(ErrorKind::write, partial.string(),
                    "exists: an earlier run was cut off, or another one is at work.",
                    "Remove it when no other run uses it.");
  partial_ = partial;
}

NewFolder::~NewFolder() {
  std::error_code ignored;
  if (!published_) fs::remove_all(partial_, ignored);
}

void NewFolder::publish() {
  publish_folder(partial_, target_);
  published_ = true;
}

}  // namespace cp
