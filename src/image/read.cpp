#include "image/read.h"

#include <algorithm>

#include <fmt/format.h>

#include "core/file.h"
#include "image/decode.h"

namespace cp {
namespace detail {

void check_size(const Source& source, std::uint64_t width, std::uint64_t height) {
  if (width == 0 || height == 0) refuse_corrupt(source, fmt::format("its header says {} x {} pixels", width, height));
  constexpr std::uint64_t kMaxSide = std::uint64_t{1} << 20;  // bounds what a decoder keeps per row and per column
  if (width > kMaxSide || height > kMaxSide || width * height > source.limits.max_pixels)
    throw UserError(ErrorKind::data, source.where,
                    fmt::format("an image of {} x {} pixels, at most {} pixels and {} a side are read.", width, height,
                                source.limits.max_pixels, kMaxSide),
                    "Cut or scale the image down first.");
}

void refuse_corrupt(const Source& source, const std::string& what) {
  throw UserError(ErrorKind::data, source.where, fmt::format("the image is damaged or cut off ({}).", what),
                  "Get the file again or save it anew with another program.");
}

void refuse_unsupported(const Source& source, const std::string& what) {
  throw UserError(ErrorKind::data, source.where,
                  fmt::format("wanted a common PNG, JPEG or TIFF image, found {}.", what),
                  "Save it as an 8-bit RGB PNG.");
}

}  // namespace detail

namespace {

using detail::Purpose;
using detail::Source;

// A name for what the first bytes say, for the error message only.
std::string name_of_kind(std::string_view bytes) {
  const auto is = [&](std::string_view magic, std::size_t at = 0) {
    return bytes.size() >= at + magic.size() && bytes.substr(at, magic.size()) == magic;
  };
  if (bytes.empty()) return "an empty file";
  if (is("GIF8")) return "a GIF image";
  if (is("BM")) return "a BMP image";
  if (is("RIFF") && is("WEBP", 8)) return "a WebP image";
  if (is("ftypavif", 4)) return "an AVIF image";
  if (is("ftyphei", 4) || is("ftypmif1", 4)) return "a HEIF image";
  if (is(std::string_view("\0\0\0\x0cjP  ", 8)) || is("\xff\x4f\xff\x51")) return "a JPEG 2000 image";
  if (is("%PDF")) return "a PDF document";
  if (is("<svg") || is("<?xml")) return "an SVG or XML text";
  return "a file that does not begin like one";
}

Image decode(const Source& source) {
  const std::string_view bytes = source.bytes;
  if (bytes.size() > source.limits.max_file_bytes)
    throw UserError(
        ErrorKind::data, source.where,
        fmt::format("an image of {} bytes, at most {} are read.", bytes.size(), source.limits.max_file_bytes),
        "Cut or scale the image down first.");
  if (bytes.starts_with("\x89PNG\r\n\x1a\n"))
    return detail::apply_orientation(detail::decode_png(source), detail::png_orientation(bytes));
  if (bytes.starts_with("\xff\xd8\xff"))
    return detail::apply_orientation(detail::decode_jpeg(source), detail::jpeg_orientation(bytes));
  const std::string_view magic = bytes.substr(0, 4);
  if (magic == std::string_view("II*\0", 4) || magic == std::string_view("MM\0*", 4) ||
      magic == std::string_view("II+\0", 4) || magic == std::string_view("MM\0+", 4)) {
    int orientation = 1;
    Image image = detail::decode_tiff(source, &orientation);
    return detail::apply_orientation(std::move(image), orientation);
  }
  detail::refuse_unsupported(source, name_of_kind(bytes));
}

}  // namespace

Image decode_rgb(std::string_view bytes, const std::string& where, const ImageLimits& limits) {
  Image image = decode({bytes, where, limits, Purpose::picture});
  if (image.channels == 3) return image;
  Image rgb(image.width, image.height, 3);
  for (std::size_t i = 0; i < image.pixels.size(); ++i) std::fill_n(&rgb.pixels[3 * i], 3, image.pixels[i]);
  return rgb;
}

Image read_rgb(const std::filesystem::path& path, const ImageLimits& limits) {
  return decode_rgb(read_file(path, limits.max_file_bytes, ErrorKind::data), path.string(), limits);
}

Image read_mask(const std::filesystem::path& path, const ImageLimits& limits) {
  const std::string bytes = read_file(path, limits.max_file_bytes, ErrorKind::data);
  Image image = decode({bytes, path.string(), limits, Purpose::mask});
  if (image.channels == 1) return image;
  Image mask(image.width, image.height, 1);
  for (std::size_t i = 0; i < mask.pixels.size(); ++i) mask.pixels[i] = image.pixels[3 * i];
  return mask;
}

}  // namespace cp
