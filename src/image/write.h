#pragma once
// In:  an Image (RGB or one channel).
// Out: PNG bytes or a durable PNG file, JPEG bytes. The same pixels give the same bytes on every machine with the same
//      zlib and libjpeg.
// Not here: drawing (draw.h), animations (gif.h).

#include <filesystem>
#include <string>

#include "image/image.h"

namespace cp {

std::string encode_png(const Image& image);
void write_png(const std::filesystem::path& path, const Image& image);

// `quality` 1 .. 100, libjpeg's scale. For pictures in pages, where a PNG would be large.
std::string encode_jpeg(const Image& image, int quality);

}  // namespace cp
