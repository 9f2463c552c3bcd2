// EXIF orientation: finding it in PNG and JPEG files, and applying it. Everything here reads bytes that anybody may
// have written: each access is checked, and whatever is malformed counts as "no orientation", as in Pillow.

#include <algorithm>
#include <optional>

#include <zlib.h>

#include "image/decode.h"

namespace cp::detail {
namespace {

constexpr std::uint16_t kOrientationTag = 0x0112;
constexpr std::uint16_t kShort = 3, kLong = 4;

std::optional<std::uint32_t> number(std::string_view bytes, std::uint64_t at, int size, bool big_endian) {
  if (at + static_cast<std::uint64_t>(size) > bytes.size()) return std::nullopt;
  std::uint32_t value = 0;
  for (int i = 0; i < size; ++i) {
    const auto byte = static_cast<unsigned char>(bytes[at + static_cast<std::uint64_t>(i)]);
    value |= static_cast<std::uint32_t>(byte) << (8 * (big_endian ? size - 1 - i : i));
  }
  return value;
}

// Orientation in the first directory of an EXIF block (a TIFF header and its directory), 0 when absent.
int exif_orientation(std::string_view exif) {
  while (exif.starts_with(std::string_view("Exif\0\0", 6))) exif.remove_prefix(6);
  if (!exif.starts_with("II") && !exif.starts_with("MM")) return 0;
  const bool big = exif.starts_with("MM");
  const auto directory = number(exif, 4, 4, big);
  if (!directory) return 0;
  const auto count = number(exif, *directory, 2, big);
  for (std::uint32_t i = 0; count && i < *count; ++i) {
    const std::uint64_t entry = std::uint64_t{*directory} + 2 + std::uint64_t{12} * i;
    const auto tag = number(exif, entry, 2, big), type = number(exif, entry + 2, 2, big);
    if (!tag || !type) return 0;
    if (*tag != kOrientationTag) continue;
    if (*type != kShort && *type != kLong) return 0;
    return static_cast<int>(number(exif, entry + 8, *type == kShort ? 2 : 4, big).value_or(0) & 0xff);
  }
  return 0;
}

// ImageMagick's way to keep EXIF in PNG: "\nexif\n<size>\n", then hexadecimal digits with line breaks.
int raw_profile_orientation(std::string_view text) {
  for (int line = 0; line < 3; ++line) {
    const std::size_t end = text.find('\n');
    if (end == text.npos) return 0;
    text.remove_prefix(end + 1);
  }
  std::string exif;
  int high = -1;
  for (const char c : text) {
    const int digit = c >= '0' && c <= '9' ? c - '0' : c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
    if (digit < 0 && c != '\n') return 0;
    if (digit < 0) continue;
    if (high >= 0) exif += static_cast<char>(high << 4 | digit);
    high = high >= 0 ? -1 : digit;
  }
  return exif_orientation(exif);
}

// The text of a zTXt chunk's compressed part; empty when it is damaged or longer than any EXIF block.
std::string inflate_text(std::string_view compressed) {
  std::string text(1 << 18, '\0');
  uLongf size = text.size();
  if (uncompress(reinterpret_cast<Bytef*>(text.data()), &size, reinterpret_cast<const Bytef*>(compressed.data()),
                 compressed.size()) != Z_OK)
    return {};
  text.resize(size);
  return text;
}

int valid_or_upright(int orientation) { return orientation >= 1 && orientation <= 8 ? orientation : 1; }

}  // namespace

int xmp_orientation(std::string_view packet) {
  constexpr std::string_view kName = "tiff:Orientation";
  for (std::size_t at = packet.find(kName); at != packet.npos; at = packet.find(kName, at + 1)) {
    std::string_view rest = packet.substr(at + kName.size());
    if (rest.starts_with("=\""))
      rest.remove_prefix(2);
    else if (rest.starts_with(">"))
      rest.remove_prefix(1);
    else
      continue;
    if (!rest.empty() && rest[0] >= '0' && rest[0] <= '9') return rest[0] - '0';
  }
  return 0;
}

int png_orientation(std::string_view bytes) {
  constexpr std::size_t kSignature = 8, kChunkFrame = 12;
  constexpr std::string_view kXmp("XML:com.adobe.xmp\0\0", 19);  // an iTXt keyword, then the flag "not compressed"
  constexpr std::string_view kProfile("Raw profile type exif\0", 22);
  int exif = 0, profile = 0, xmp = 0;
  for (std::uint64_t at = kSignature; at + kChunkFrame <= bytes.size();) {
    const std::uint32_t size = *number(bytes, at, 4, true);
    if (at + kChunkFrame + size > bytes.size()) break;
    const std::string_view type = bytes.substr(at + 4, 4), data = bytes.substr(at + 8, size);
    if (type == "eXIf") exif = exif_orientation(data);
    if (type == "tEXt" && data.starts_with(kProfile)) profile = raw_profile_orientation(data.substr(kProfile.size()));
    if (type == "zTXt" && data.starts_with(kProfile) && data.size() > kProfile.size())
      profile = raw_profile_orientation(inflate_text(data.substr(kProfile.size() + 1)));  // + the method, always zlib
    if (type == "iTXt" && data.starts_with(kXmp)) xmp = xmp_orientation(data);
    at += kChunkFrame + size;
  }
  return valid_or_upright(exif != 0 ? exif : profile != 0 ? profile : xmp);
}

int jpeg_orientation(std::string_view bytes) {
  constexpr std::string_view kExif("Exif\0\0", 6), kXmp("http://ns.adobe.com/xap/1.0/\0", 29);
  constexpr unsigned kStartOfScan = 0xda, kApp1 = 0xe1;
  std::string exif;  // a block longer than one segment goes on in the next one
  int xmp = 0;
  for (std::uint64_t at = 2; at + 4 <= bytes.size();) {
    if (bytes[at] != '\xff') break;
    const auto marker = static_cast<unsigned char>(bytes[at + 1]);
    if (marker == 0xff) {  // fill byte
      ++at;
      continue;
    }
    if (marker == kStartOfScan) break;
    const std::uint32_t size = *number(bytes, at + 2, 2, true);
    if (size < 2 || at + 2 + size > bytes.size()) break;
    const std::string_view data = bytes.substr(at + 4, size - 2);
    if (marker == kApp1 && data.starts_with(kExif)) exif += data.substr(exif.empty() ? 0 : kExif.size());
    if (marker == kApp1 && data.starts_with(kXmp)) xmp = xmp_orientation(data);
    at += 2 + size;
  }
  const int orientation = exif_orientation(exif);
  return valid_or_upright(orientation != 0 ? orientation : xmp);
}

Image apply_orientation(Image image, int orientation) {
  if (orientation <= 1 || orientation > 8) return image;
  const bool transposed = orientation >= 5;
  // Where row 0 and column 0 of the stored pixels belong: (upright x counted from the right, y from the bottom).
  const bool from_right = orientation == 2 || orientation == 3 || orientation == 6 || orientation == 7;
  const bool from_bottom = orientation == 3 || orientation == 4 || orientation == 7 || orientation == 8;
  Image out(transposed ? image.height : image.width, transposed ? image.width : image.height, image.channels);
  for (int y = 0; y < out.height; ++y) {
    for (int x = 0; x < out.width; ++x) {
      const int u = from_right ? out.width - 1 - x : x, v = from_bottom ? out.height - 1 - y : y;
      std::copy_n(transposed ? image.at(v, u) : image.at(u, v), image.channels, out.at(x, y));
    }
  }
  return out;
}

}  // namespace cp::detail
