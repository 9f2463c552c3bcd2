#include "core/progress.h"

#include <sys/ioctl.h>
#include <unistd.h>

#include <atomic>
#include <cstdio>

#include <fmt/format.h>

namespace cp {
namespace {

std::atomic<bool> g_quiet{false};
std::atomic<double> g_plain_interval_s{10.0};
constexpr double kTerminalInterval = 0.1;  // seconds

double seconds_since(std::chrono::steady_clock::time_point t) {
  return std::chrono::duration<double>(std::chrono::steady_clock::now() - t).count();
}

std::string clock_text(double s) {
  const auto all = static_cast<long>(s + 0.5);
  return all >= 3600 ? fmt::format("{}:{:02}:{:02}", all / 3600, all / 60 % 60, all % 60)
                     : fmt::format("{}:{:02}", all / 60, all % 60);
}

int terminal_width() {
  winsize size{};
  return ::ioctl(STDERR_FILENO, TIOCGWINSZ, &size) == 0 && size.ws_col > 20 ? size.ws_col : 80;
}

}  // namespace

Progress::Progress(std::string title, std::uint64_t total, std::string unit)
    : title_(std::move(title)),
      unit_(std::move(unit)),
      total_(total),
      start_(std::chrono::steady_clock::now()),
      last_print_(start_ - std::chrono::hours(1)),
      terminal_(::isatty(STDERR_FILENO) == 1) {
  if (!terminal_) last_print_ = start_;
}

Progress::~Progress() {
  if (!finished_ && terminal_ && done_ > 0 && !g_quiet) std::fputc('\n', stderr);
}

std::string Progress::line() const {
  const double s = seconds_since(start_);
  const double rate = s > 0 ? static_cast<double>(done_) / s : 0;
  std::string text = total_ > 0 ? fmt::format("{} {}/{} {} ({:.0f} %)", title_, done_, total_, unit_,
                                              100.0 * static_cast<double>(done_) / static_cast<double>(total_))
                                : fmt::format("{} {} {}", title_, done_, unit_);
  text += fmt::format(", {:.3g} {}/s", rate, unit_);
  if (finished_)
    text += fmt::format(", {}", clock_text(s));
  else if (total_ > done_ && rate > 0)
    text += fmt::format(", ETA {}", clock_text(static_cast<double>(total_ - done_) / rate));
  if (!note_.empty()) text += "  " + note_;
  return text;
}

void Progress::print(bool last) {
  if (g_quiet) return;
  const double since = seconds_since(last_print_);
  if (!last && since < (terminal_ ? kTerminalInterval : g_plain_interval_s.load())) return;
  last_print_ = std::chrono::steady_clock::now();
  std::string text = line();
  if (terminal_) {
    const auto width = static_cast<std::size_t>(terminal_width() - 1);
    if (text.size() > width) text.resize(width);
    std::fprintf(stderr, "\r\033[K%s%s", text.c_str(), last ? "\n" : "");
  } else {
    std::fprintf(stderr, "%s\n", text.c_str());
  }
  std::fflush(stderr);
}

void Progress::advance(std::uint64_t n, const std::string& note) {
  done_ += n;
  if (!note.empty()) note_ = note;
  print(false);
}

void Progress::finish(const std::string& note) {
  if (finished_) return;
  finished_ = true;
  if (!note.empty()) note_ = note;
  print(true);
}

void Progress::set_quiet(bool quiet) { g_quiet = quiet; }
void Progress::set_plain_interval_s(double s) { g_plain_interval_s = s; }

}  // namespace cp
