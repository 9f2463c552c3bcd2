#include "report/event_file.h"

#include <array>
#include <bit>
#include <cmath>
#include <cstring>

namespace cp {
namespace {

constexpr std::array<std::uint32_t, 256> kTable = [] {
  std::array<std::uint32_t, 256> table{};
  for (std::uint32_t i = 0; i < 256; ++i) {
    std::uint32_t c = i;
    for (int k = 0; k < 8; ++k) c = c & 1 ? c >> 1 ^ 0x82f63b78u : c >> 1;
    table[i] = c;
  }
  return table;
}();

template <class T>
void put_little(std::string& out, T value) {
  for (std::size_t i = 0; i < sizeof(T); ++i) out += static_cast<char>(value >> (8 * i) & 0xff);
}

// Protocol buffers: a varint is 7 bits a byte, low ones first; a key is field << 3 | wire type.
void put_varint(std::string& out, std::uint64_t value) {
  for (; value >= 0x80; value >>= 7) out += static_cast<char>((value & 0x7f) | 0x80);
  out += static_cast<char>(value);
}
void put_bytes(std::string& out, int field, std::string_view bytes) {
  put_varint(out, static_cast<std::uint64_t>(field) << 3 | 2);
  put_varint(out, bytes.size());
  out += bytes;
}

// Event { double wall_time = 1; int64 step = 2; oneof { string file_version = 3; Summary summary = 5; } }
std::string event(double wall_time, std::int64_t step, int field, std::string_view what) {
  std::string out;
  out += static_cast<char>(1 << 3 | 1);
  put_little(out, std::bit_cast<std::uint64_t>(wall_time));
  if (step != 0) {
    out += static_cast<char>(2 << 3);
    put_varint(out, static_cast<std::uint64_t>(step));
  }
  put_bytes(out, field, what);
  return out;
}

// Summary { repeated Value value = 1; }, Value { string tag = 1; float simple_value = 2; }
std::string scalar(const std::string& tag, double value) {
  std::string inner;
  put_bytes(inner, 1, tag);
  inner += static_cast<char>(2 << 3 | 5);
  put_little(inner, std::bit_cast<std::uint32_t>(static_cast<float>(value)));
  std::string out;
  put_bytes(out, 1, inner);
  return out;
}

}  // namespace

std::uint32_t crc32c(std::string_view bytes) {
  std::uint32_t crc = 0xffffffffu;
  for (const char c : bytes) crc = crc >> 8 ^ kTable[(crc ^ static_cast<unsigned char>(c)) & 0xff];
  return ~crc;
}

std::uint32_t masked_crc32c(std::string_view bytes) { return std::rotr(crc32c(bytes), 15) + 0xa282ead8u; }

std::string tf_record(std::string_view data) {
  std::string out;
  put_little(out, static_cast<std::uint64_t>(data.size()));
  put_little(out, masked_crc32c(out));
  out += data;
  put_little(out, masked_crc32c(data));
  return out;
}

EventWriter::EventWriter(double wall_time) { bytes_ = tf_record(event(wall_time, 0, 3, "brain.Event:2")); }

void EventWriter::add(std::int64_t step, double wall_time, const std::vector<std::pair<std::string, double>>& scalars) {
  std::string summary;
  for (const auto& [tag, value] : scalars) summary += scalar(tag, value);
  if (!summary.empty()) bytes_ += tf_record(event(wall_time, step, 5, summary));
}

void EventWriter::add_line(const Json& line, double wall_time) {
  if (!line.is_object()) return;
  const auto step = line.find("step"), stage = line.find("stage");
  const std::string prefix = stage != line.end() && stage->is_string() ? stage->get<std::string>() + "/" : "";
  std::vector<std::pair<std::string, double>> scalars;
  for (const auto& [key, value] : line.items()) {
    if (key == "step" || key == "epoch" || key == "time" || !value.is_number()) continue;
    if (const double number = value.get<double>(); std::isfinite(number)) scalars.emplace_back(prefix + key, number);
  }
  add(step != line.end() && step->is_number_integer() ? step->get<std::int64_t>() : 0, wall_time, scalars);
}

std::string EventWriter::take() { return std::exchange(bytes_, {}); }

}  // namespace cp
