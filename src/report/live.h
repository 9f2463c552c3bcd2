#pragma once
// In:  a run folder and each line that is logged to it.
// Out: report.html in it, rewritten whole every few seconds, and a growing TensorBoard event file.
// Not here: training. A file that cannot be written is said once on stderr; it never stops a run.

#include <chrono>
#include <filesystem>
#include <string>

#include "core/json.h"

namespace cp {

class LiveReport {
 public:
  explicit LiveReport(std::chrono::milliseconds pause = std::chrono::seconds(5)) : pause_(pause) {}

  LiveReport(const LiveReport&) = delete;
  LiveReport& operator=(const LiveReport&) = delete;
  ~LiveReport() { finish(); }  // however the run ended

  // Call after the line has reached metrics.jsonl.
  void logged(const std::filesystem::path& run, const OrderedJson& line);
  // The page of a run that has ended; later calls do nothing.
  void finish();

 private:
  void write_page(bool running);
  void append_event(const Json& line);

  std::chrono::milliseconds pause_;
  std::chrono::steady_clock::time_point last_{};
  std::filesystem::path run_, events_;
  bool complained_ = false;
};

}  // namespace cp
