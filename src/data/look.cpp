#include "data/look.h"

#include <algorithm>
#include <array>
#include <atomic>
#include <exception>
#include <mutex>
#include <thread>

#include <fmt/format.h>

#include "core/file.h"
#include "core/progress.h"
#include "image/read.h"

namespace cp {
namespace {

namespace fs = std::filesystem;

LookedFile look_at_file(const fs::path& path, bool is_label) {
  LookedFile file;
  Image image;
  try {
    image = is_label ? read_mask(path) : read_rgb(path);
  } catch (const UserError& error) {
    std::error_code unknown;
    file.error = fs::exists(path, unknown) ? std::string(error.what()) : "is missing.";
    if (file.error.starts_with(error.where() + ": ")) file.error.erase(0, error.where().size() + 2);
    return file;
  }
  file.width = image.width;
  file.height = image.height;
  if (!is_label) {
    file.digest = fmt::format("{}x{} {}", image.width, image.height,
                              sha256_hex({reinterpret_cast<const char*>(image.pixels.data()), image.pixels.size()}));
    return file;
  }
  std::array<int, 256> count{};
  for (const std::uint8_t value : image.pixels) ++count[value];
  for (int value = 0; value < 256; ++value)
    if (count[static_cast<std::size_t>(value)] > 0) file.values[value] = count[static_cast<std::size_t>(value)];
  return file;
}

}  // namespace

std::vector<LookedPair> look_at_pairs(const std::vector<PairRecord>& pairs) {
  std::vector<LookedPair> looked(pairs.size());
  Progress progress("reading", pairs.size(), "pairs");
  std::atomic<std::size_t> next{0};
  std::mutex lock;  // guards `progress` and `failure`
  std::exception_ptr failure;
  const auto work = [&] {
    for (std::size_t i = next++; i < pairs.size(); i = next++) {
      try {
        looked[i].before = look_at_file(pairs[i].before, false);
        looked[i].after = look_at_file(pairs[i].after, false);
        if (!pairs[i].label.empty()) looked[i].label = look_at_file(pairs[i].label, true);
        const std::lock_guard hold(lock);
        progress.advance();
      } catch (...) {  // out of memory or a bug: an exception must not leave its thread
        const std::lock_guard hold(lock);
        failure = std::current_exception();
        return;
      }
    }
  };
  {
    std::vector<std::jthread> threads;
    const std::size_t wanted = std::min<std::size_t>(std::thread::hardware_concurrency(), pairs.size());
    for (std::size_t t = 1; t < wanted; ++t) threads.emplace_back(work);
    work();
  }  // joins
  if (failure) std::rethrow_exception(failure);
  progress.finish();
  return looked;
}

}  // namespace cp
