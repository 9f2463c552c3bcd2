#pragma once
// In:  an Image (RGB or one channel).
// Out: PNG bytes or a durable PNG file. The same pixels give the same bytes on every machine with the same zlib.
// Not here: drawing (draw.h).

#include <filesystem>
#include <string>

#include "image/image.h"

namespace cp {

std::string encode_png(const Image& image);
void write_png(const std::filesystem::path& path, const Image& image);

}  // namespace cp
