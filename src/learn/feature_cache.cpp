#include "learn/feature_cache.h"

#include <fcntl.h>
#include <sys/mman.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <mutex>

#include <fmt/format.h>

#include "core/file.h"
#include "core/parallel.h"
#include "core/progress.h"
#include "image/read.h"

namespace cp {
namespace {

namespace fs = std::filesystem;

constexpr std::uint64_t kMaxImageFile = std::uint64_t{64} << 20;

std::string view_text(const View& v) {
  return fmt::format("{:a},{:a},{:a},{:a},{},{},{:a},{:a};", v.crop_x, v.crop_y, v.crop_side, v.angle, v.quarter_turns,
                     v.mirror, v.brightness, v.contrast);
}

// Everything that the features depend on.
std::string cache_key(const FeatureSource& source, const std::vector<PairRecord>& pairs,
                      const std::vector<std::vector<View>>& views) {
  std::string text = source.key;
  for (std::size_t i = 0; i < pairs.size(); ++i) {
    text += sha256_hex(read_file(pairs[i].before, kMaxImageFile, ErrorKind::data));
    text += sha256_hex(read_file(pairs[i].after, kMaxImageFile, ErrorKind::data));
    if (!pairs[i].label.empty()) text += sha256_hex(read_file(pairs[i].label, kMaxImageFile, ErrorKind::data));
    for (const View& view : views[i]) text += view_text(view);
  }
  return sha256_hex(text).substr(0, 32);
}

}  // namespace

struct FeatureCache::Mapping {
  void* data = nullptr;
  std::size_t bytes = 0;
  ~Mapping() {
    if (data) ::munmap(data, bytes);
  }
};

FeatureCache FeatureCache::open(const fs::path& folder, const FeatureSource& source,
                                const std::vector<PairRecord>& pairs, const std::vector<std::vector<View>>& views,
                                int threads) {
  CP_CHECK(!pairs.empty() && pairs.size() == views.size(), "one list of views for each pair");
  FeatureCache cache;
  cache.views_ = views[0].size();
  cache.row_ = source.row;
  cache.key_ = cache_key(source, pairs, views);
  const fs::path path = folder / (cache.key_ + ".features");
  const std::size_t rows = pairs.size() * cache.views_;
  const std::size_t bytes = rows * source.row * sizeof(std::uint16_t);
  std::error_code ignored;
  const bool ready = fs::exists(path, ignored) && fs::file_size(path, ignored) == bytes;
  const fs::path working = ready ? path : fs::path(fmt::format("{}.tmp-{}", path.string(), ::getpid()));
  fs::create_directories(folder, ignored);
  const int fd = ::open(working.c_str(), ready ? O_RDONLY | O_CLOEXEC : O_RDWR | O_CREAT | O_TRUNC | O_CLOEXEC, 0644);
  const auto fail = [&](const char* step) {
    const std::string reason = std::strerror(errno);
    if (!ready) ::unlink(working.c_str());
    throw UserError(ErrorKind::write, path.string(),
                    fmt::format("cannot {} the feature cache of {} MB ({}).", step, bytes >> 20, reason),
                    "Free some space or set another folder with cache=DIR.");
  };
  if (fd < 0) fail("open");
  if (!ready && ::posix_fallocate(fd, 0, static_cast<off_t>(bytes)) != 0) fail("make room for");
  auto mapping = std::make_shared<Mapping>();
  mapping->data = ::mmap(nullptr, bytes, ready ? PROT_READ : PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
  if (mapping->data == MAP_FAILED) mapping->data = nullptr, fail("map");
  mapping->bytes = bytes;
  ::close(fd);

  if (!ready) {
    const FeatureSource::Compute compute = source.start();
    auto* out = static_cast<std::uint16_t*>(mapping->data);
    Progress progress("vision features", rows, "views");
    std::mutex lock;
    try {
      for_each_index(pairs.size(), threads, [&](std::size_t i) {
        const Image before = read_rgb(pairs[i].before), after = read_rgb(pairs[i].after);
        const Image mask = pairs[i].label.empty() ? Image() : read_mask(pairs[i].label);
        for (std::size_t v = 0; v < cache.views_; ++v) {
          compute(before, after, mask, views[i][v], out + (i * cache.views_ + v) * source.row);
          const std::lock_guard hold(lock);
          progress.advance();
        }
      });
    } catch (...) {
      ::unlink(working.c_str());
      throw;
    }
    progress.finish();
    if (::msync(mapping->data, bytes, MS_SYNC) != 0 || ::rename(working.c_str(), path.c_str()) != 0) fail("publish");
  }
  cache.mapping_ = mapping;
  return cache;
}

FeatureCache FeatureCache::subset(std::vector<std::size_t> pairs) const {
  CP_CHECK(pairs_.empty() && !pairs.empty(), "FeatureCache: a subset is taken of all pairs, and holds some");
  FeatureCache part = *this;
  part.pairs_ = std::move(pairs);
  return part;
}

const std::uint16_t* FeatureCache::row(std::size_t pair, std::size_t view) const {
  if (!pairs_.empty()) pair = pairs_.at(pair);
  return static_cast<const std::uint16_t*>(mapping_->data) + (pair * views_ + view) * row_;
}

}  // namespace cp
