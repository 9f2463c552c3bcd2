#pragma once
// In:  the bytes of one PNG, JPEG or TIFF file.
// Out: its first picture's pixels before the EXIF orientation is applied, grey kept as one channel.
// Not here: choosing the decoder, orientation, RGB (read.h does that). Internal to image/.

#include <string>
#include <string_view>

#include "image/image.h"
#include "image/read.h"

namespace cp::detail {

// What a 16-bit grey value becomes: a picture keeps its high byte (as Pillow does for 16-bit RGB), a mask's small class
// numbers survive and larger values become 255.
enum class Purpose { picture, mask };

struct Source {
  std::string_view bytes;
  const std::string& where;  // for errors
  const ImageLimits& limits;
  Purpose purpose = Purpose::picture;
};

Image decode_png(const Source& source);
Image decode_jpeg(const Source& source);
Image decode_tiff(const Source& source, int* orientation);  // TIFF's own tag: the decoder has it at hand

// EXIF orientation 1..8 of the containers that carry EXIF as a block (1 when absent or malformed, as Pillow).
int png_orientation(std::string_view bytes);
int jpeg_orientation(std::string_view bytes);
// tiff:Orientation of an XMP packet, 0 when absent.
int xmp_orientation(std::string_view packet);
// The image turned and mirrored so that orientation 1 results (EXIF 2.32, tag 0x0112).
Image apply_orientation(Image image, int orientation);

// Refuses sizes of 0 and more pixels than the limit; called before anything is allocated for the pixels.
void check_size(const Source& source, std::uint64_t width, std::uint64_t height);
[[noreturn]] void refuse_corrupt(const Source& source, const std::string& what);      // damaged data
[[noreturn]] void refuse_unsupported(const Source& source, const std::string& what);  // a kind we do not read

// Ink amounts C M Y K -> R G B as Pillow's convert: R = W - C W / 255 with W = 255 - K, without colour profile.
inline void cmyk_to_rgb(const std::uint8_t* cmyk, std::uint8_t* rgb) {
  const int white = 255 - cmyk[3];
  for (int c = 0; c < 3; ++c) {
    const int t = cmyk[c] * white + 128;
    const int rounded = ((t >> 8) + t) >> 8;  // of C W / 255: Pillow's MULDIV255
    rgb[c] = static_cast<std::uint8_t>(white > rounded ? white - rounded : 0);
  }
}

inline std::uint8_t grey16(std::uint16_t value, Purpose purpose) {
  if (purpose == Purpose::picture) return static_cast<std::uint8_t>(value >> 8);
  return static_cast<std::uint8_t>(value < 255 ? value : 255);
}

}  // namespace cp::detail
