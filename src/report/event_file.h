#pragma once
// In:  lines of metrics.jsonl.
// Out: the bytes of a TensorBoard event file: records framed as TFRecord, each an Event message of protocol buffers.
// Not here: pages (training_page.h), files (live.h).

#include <cstdint>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "core/json.h"

namespace cp {

// CRC-32C (Castagnoli, RFC 3720 appendix B.4), and as TFRecord stores it: rotated right by 15 bits, plus 0xa282ead8.
std::uint32_t crc32c(std::string_view bytes);
std::uint32_t masked_crc32c(std::string_view bytes);

// uint64 length, masked crc of the length, data, masked crc of the data; little-endian.
std::string tf_record(std::string_view data);

class EventWriter {
 public:
  // Starts with the version record that every event file has. Times in seconds since 1970.
  explicit EventWriter(double wall_time);

  void add(std::int64_t step, double wall_time, const std::vector<std::pair<std::string, double>>& scalars);
  // Every finite number of a line of metrics.jsonl but "step", "epoch" and "time", with the tag "stage/key".
  void add_line(const Json& line, double wall_time);
  // What was added since the last call.
  std::string take();

 private:
  std::string bytes_;
};

}  // namespace cp
