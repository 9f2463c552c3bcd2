#include "report/live.h"

#include <fcntl.h>
#include <unistd.h>

#include <cerrno>
#include <cstdio>
#include <cstring>

#include <fmt/format.h>

#include "core/file.h"
#include "report/event_file.h"
#include "report/training_page.h"

namespace cp {
namespace {

constexpr std::uint64_t kMaxLog = std::uint64_t{256} << 20;

double now_s() { return std::chrono::duration<double>(std::chrono::system_clock::now().time_since_epoch()).count(); }

}  // namespace

void LiveReport::logged(const std::filesystem::path& run, const OrderedJson& line) {
  try {
    run_ = run;
    append_event(Json(line));
    const auto now = std::chrono::steady_clock::now();
    if (last_ != std::chrono::steady_clock::time_point{} && now - last_ < pause_) return;
    write_page(true);
    last_ = now;
  } catch (const std::exception& error) {
    if (!complained_) std::fprintf(stderr, "%s; training goes on\n", error.what());
    complained_ = true;
  }
}

void LiveReport::finish() {
  if (run_.empty()) return;
  try {
    write_page(false);
    run_.clear();
  } catch (const std::exception& error) {
    std::fprintf(stderr, "%s\n", error.what());
  }
}

void LiveReport::write_page(bool running) {
  const std::filesystem::path config = run_ / "config.yaml";
  const std::string yaml = std::filesystem::exists(config) ? read_file(config, 1 << 20, ErrorKind::data) : "";
  TrainingPageOptions options;
  options.name = std::filesystem::absolute(run_).lexically_normal().filename().string();
  options.running = running;
  write_file_durable(run_ / "report.html",
                     training_page(read_file(run_ / "metrics.jsonl", kMaxLog, ErrorKind::data), yaml, options));
}

// One file for each process that trains, as TensorBoard wants it: a resumed run goes on in a new one.
void LiveReport::append_event(const Json& line) {
  std::string bytes;
  EventWriter writer(now_s());
  if (events_.empty())
    events_ = run_ / fmt::format("events.out.tfevents.{:.0f}.{}.changepilot", now_s(), ::getpid());
  else
    writer.take();  // the version record is there already
  writer.add_line(line, now_s());
  bytes = writer.take();
  const int fd = ::open(events_.c_str(), O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0644);
  const bool written = fd >= 0 && ::write(fd, bytes.data(), bytes.size()) == static_cast<ssize_t>(bytes.size());
  const int reason = errno;
  if (fd >= 0) ::close(fd);
  if (!written) throw UserError(ErrorKind::write, events_.string(), std::strerror(reason), "");
}

}  // namespace cp
