#include "image/gif.h"

#include <algorithm>
#include <array>
#include <map>

namespace cp {
namespace {

constexpr int kColors = 255;  // and one index for "as before"
constexpr std::uint8_t kAsBefore = 255;
constexpr int kBins = 1 << 15;  // 5 bits a channel
constexpr int kCodeBits = 8, kMaxCode = 4096;

using Rgb = std::array<std::uint8_t, 3>;

int bin_of(const std::uint8_t* p) { return (p[0] >> 3) << 10 | (p[1] >> 3) << 5 | p[2] >> 3; }

// The pixels of one 15-bit colour.
struct Bin {
  std::uint64_t count = 0;
  std::array<std::uint64_t, 3> sum{};
  double mean(int channel) const {
    return static_cast<double>(sum[static_cast<std::size_t>(channel)]) / static_cast<double>(count);
  }
};

// A range of bins that will share a colour.
struct Cluster {
  std::size_t begin, end;
  int channel = 0;     // the widest
  double urgency = 0;  // pixels x width; 0 when it cannot be split
};

Cluster measured(const std::vector<Bin>& bins, std::size_t begin, std::size_t end) {
  Cluster cluster{begin, end};
  double widest = 0, pixels = 0;
  for (std::size_t i = begin; i < end; ++i) pixels += static_cast<double>(bins[i].count);
  for (int c = 0; c < 3; ++c) {
    double low = 255, high = 0;
    for (std::size_t i = begin; i < end; ++i)
      low = std::min(low, bins[i].mean(c)), high = std::max(high, bins[i].mean(c));
    if (high - low > widest) widest = high - low, cluster.channel = c;
  }
  if (end - begin > 1) cluster.urgency = pixels * widest;
  return cluster;
}

// Sorts the cluster along its widest channel and cuts it where half of its pixels lie on each side.
std::size_t cut(std::vector<Bin>& bins, const Cluster& cluster) {
  const auto first = bins.begin() + static_cast<std::ptrdiff_t>(cluster.begin);
  const auto last = bins.begin() + static_cast<std::ptrdiff_t>(cluster.end);
  std::stable_sort(first, last,
                   [&](const Bin& a, const Bin& b) { return a.mean(cluster.channel) < b.mean(cluster.channel); });
  std::uint64_t pixels = 0, seen = 0;
  for (std::size_t i = cluster.begin; i < cluster.end; ++i) pixels += bins[i].count;
  for (std::size_t i = cluster.begin; i + 1 < cluster.end; ++i)
    if ((seen += bins[i].count) * 2 >= pixels) return i + 1;
  return cluster.end - 1;
}

std::vector<Rgb> median_cut(std::vector<Bin> bins) {
  std::vector<Cluster> clusters{measured(bins, 0, bins.size())};
  while (clusters.size() < kColors) {
    const auto worst = std::max_element(clusters.begin(), clusters.end(),
                                        [](const Cluster& a, const Cluster& b) { return a.urgency < b.urgency; });
    if (worst->urgency == 0) break;
    const std::size_t middle = cut(bins, *worst), end = worst->end;
    *worst = measured(bins, worst->begin, middle);
    clusters.push_back(measured(bins, middle, end));
  }
  std::vector<Rgb> colors;
  for (const Cluster& cluster : clusters) {
    Bin all;
    for (std::size_t i = cluster.begin; i < cluster.end; ++i) {
      all.count += bins[i].count;
      for (std::size_t c = 0; c < 3; ++c) all.sum[c] += bins[i].sum[c];
    }
    Rgb color;
    for (int c = 0; c < 3; ++c) color[static_cast<std::size_t>(c)] = static_cast<std::uint8_t>(all.mean(c) + 0.5);
    colors.push_back(color);
  }
  return colors;
}

// Colours of all frames and the index of each pixel.
class Palette {
 public:
  explicit Palette(const std::vector<GifFrame>& frames) : nearest_(kBins, -1) {
    std::vector<Bin> bins(kBins);
    for (const GifFrame& frame : frames) {
      for (std::size_t i = 0; i < frame.image.pixels.size(); i += 3) {
        const std::uint8_t* p = &frame.image.pixels[i];
        if (exact_.size() <= kColors) exact_.emplace(Rgb{p[0], p[1], p[2]}, 0);
        Bin& bin = bins[static_cast<std::size_t>(bin_of(p))];
        ++bin.count;
        for (std::size_t c = 0; c < 3; ++c) bin.sum[c] += p[c];
      }
    }
    if (exact_.size() <= kColors) {
      for (auto& [color, index] : exact_) index = static_cast<int>(colors_.size()), colors_.push_back(color);
      return;
    }
    exact_.clear();
    std::erase_if(bins, [](const Bin& bin) { return bin.count == 0; });
    colors_ = median_cut(std::move(bins));
  }

  const std::vector<Rgb>& colors() const { return colors_; }

  std::vector<std::uint8_t> indices(const Image& image) {
    std::vector<std::uint8_t> out;
    out.reserve(image.pixels.size() / 3);
    for (std::size_t i = 0; i < image.pixels.size(); i += 3) out.push_back(index(&image.pixels[i]));
    return out;
  }

 private:
  std::uint8_t index(const std::uint8_t* p) {
    if (!exact_.empty()) return static_cast<std::uint8_t>(exact_.at(Rgb{p[0], p[1], p[2]}));
    int& known = nearest_[static_cast<std::size_t>(bin_of(p))];
    if (known < 0) {
      const int centre[3] = {(p[0] & 0xf8) + 4, (p[1] & 0xf8) + 4, (p[2] & 0xf8) + 4};
      int best = 1 << 30;
      for (std::size_t i = 0; i < colors_.size(); ++i) {
        int distance = 0;
        for (std::size_t c = 0; c < 3; ++c) distance += (centre[c] - colors_[i][c]) * (centre[c] - colors_[i][c]);
        if (distance < best) best = distance, known = static_cast<int>(i);
      }
    }
    return static_cast<std::uint8_t>(known);
  }

  std::map<Rgb, int> exact_;  // empty when the colours were reduced
  std::vector<int> nearest_;  // by 15-bit colour
  std::vector<Rgb> colors_;
};

void put16(std::string& out, int value) {
  out += static_cast<char>(value & 0xff);
  out += static_cast<char>(value >> 8 & 0xff);
}

// Codes of growing width, packed from the low bit, in blocks of at most 255 bytes.
class CodeWriter {
 public:
  explicit CodeWriter(std::string& out) : out_(out) {}
  void put(int code, int width) {
    bits_ |= static_cast<std::uint32_t>(code) << used_;
    for (used_ += width; used_ >= 8; used_ -= 8, bits_ >>= 8) add(static_cast<char>(bits_ & 0xff));
  }
  void finish() {
    if (used_ > 0) add(static_cast<char>(bits_ & 0xff));
    flush();
    out_ += '\0';
  }

 private:
  void add(char byte) {
    block_ += byte;
    if (block_.size() == 255) flush();
  }
  void flush() {
    if (block_.empty()) return;
    out_ += static_cast<char>(block_.size());
    out_ += block_;
    block_.clear();
  }

  std::string& out_;
  std::string block_;
  std::uint32_t bits_ = 0;
  int used_ = 0;
};

// LZW as GIF89a, appendix F, has it: the table grows to 4096 codes and is then cleared.
void compress(const std::vector<std::uint8_t>& indices, std::string& out) {
  constexpr int kClear = 1 << kCodeBits, kEnd = kClear + 1;
  out += static_cast<char>(kCodeBits);
  CodeWriter writer(out);
  std::vector<std::uint16_t> child(static_cast<std::size_t>(kMaxCode) << 8);  // (prefix, byte) -> code, 0 = none
  int next = kEnd + 1, width = kCodeBits + 1;
  writer.put(kClear, width);
  int prefix = indices[0];
  for (std::size_t i = 1; i < indices.size(); ++i) {
    std::uint16_t& longer = child[static_cast<std::size_t>(prefix) << 8 | indices[i]];
    if (longer != 0) {
      prefix = longer;
      continue;
    }
    writer.put(prefix, width);
    prefix = indices[i];
    if (next < kMaxCode) {
      if (next == 1 << width) ++width;
      longer = static_cast<std::uint16_t>(next++);
    } else {
      writer.put(kClear, width);
      std::fill(child.begin(), child.end(), std::uint16_t{0});
      next = kEnd + 1, width = kCodeBits + 1;
    }
  }
  writer.put(prefix, width);
  if (next == 1 << width && width < 12) ++width;  // a reader adds its entry before it reads the end
  writer.put(kEnd, width);
  writer.finish();
}

void put_frame(std::string& out, const std::vector<std::uint8_t>& indices, int width, int height, int hundredths,
               bool first) {
  out += "\x21\xf9\x04";
  out += static_cast<char>(first ? 0x04 : 0x05);  // left in place; later frames have a transparent index
  put16(out, hundredths);
  out += static_cast<char>(kAsBefore);
  out += '\0';
  out += ',';
  for (const int value : {0, 0, width, height}) put16(out, value);
  out += '\0';
  compress(indices, out);
}

}  // namespace

std::string encode_gif(const std::vector<GifFrame>& frames) {
  CP_CHECK(!frames.empty(), "encode_gif: no frames");
  const int width = frames[0].image.width, height = frames[0].image.height;
  CP_CHECK(width > 0 && height > 0 && width <= 0xffff && height <= 0xffff, "encode_gif: size");
  for (const GifFrame& frame : frames)
    CP_CHECK(frame.image.width == width && frame.image.height == height && frame.image.channels == 3 &&
                 frame.hundredths >= 2 && frame.hundredths <= 0xffff,
             "encode_gif: wanted RGB frames of one size, shown for 2 to 65535 hundredths of a second");
  Palette palette(frames);
  std::string out = "GIF89a";
  put16(out, width);
  put16(out, height);
  out += static_cast<char>(0xf7);  // a global palette of 256 colours, 8 bits
  out += '\0';
  out += '\0';
  for (std::size_t i = 0; i < 256; ++i)
    for (std::size_t c = 0; c < 3; ++c)
      out += i < palette.colors().size() ? static_cast<char>(palette.colors()[i][c]) : '\0';
  out += "\x21\xff\x0bNETSCAPE2.0\x03\x01";
  put16(out, 0);
  out += '\0';
  std::vector<std::uint8_t> shown;
  for (const GifFrame& frame : frames) {
    const std::vector<std::uint8_t> wanted = palette.indices(frame.image);
    std::vector<std::uint8_t> written = wanted;
    for (std::size_t i = 0; i < shown.size(); ++i)
      if (wanted[i] == shown[i]) written[i] = kAsBefore;
    put_frame(out, written, width, height, frame.hundredths, shown.empty());
    shown = wanted;
  }
  return out + ';';
}

}  // namespace cp
