#pragma once
// In:  how much of a long piece of work is done.
// Out: on a terminal one line redrawn in place (share, rate, ETA, a note); elsewhere a plain line every few seconds.
// Not here: results (stdout belongs to them; progress goes to stderr).

#include <chrono>
#include <cstdint>
#include <string>

namespace cp {

class Progress {
 public:
  // `unit` is what is counted ("pairs", "steps"). total = 0: unknown, no ETA.
  Progress(std::string title, std::uint64_t total, std::string unit);
  ~Progress();  // leaves the terminal on a fresh line
  Progress(const Progress&) = delete;
  Progress& operator=(const Progress&) = delete;

  void advance(std::uint64_t n = 1, const std::string& note = "");
  void finish(const std::string& note = "");

  // For tests: what would be printed now.
  std::string line() const;

  static void set_quiet(bool quiet);           // --quiet, tests
  static void set_plain_interval_s(double s);  // seconds between plain lines (default 10)

 private:
  void print(bool last);

  std::string title_, unit_, note_;
  std::uint64_t total_, done_ = 0;
  std::chrono::steady_clock::time_point start_, last_print_;
  bool terminal_, finished_ = false;
};

}  // namespace cp
