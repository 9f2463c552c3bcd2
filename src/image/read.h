#pragma once
// In:  PNG, JPEG and TIFF files of any kind, hostile ones too (kind decided by the first bytes, never by the name).
// Out: RGB pixels as Pillow's convert("RGB") after ImageOps.exif_transpose gives them, or a UserError(data).
// Not here: resizing (resample.h), writing (write.h). docs/images.md is the table of what is converted how.

#include <filesystem>
#include <string_view>

#include "image/image.h"

namespace cp {

struct ImageLimits {
  std::uint64_t max_file_bytes = std::uint64_t{64} << 20;
  std::uint64_t max_pixels = std::uint64_t{64} << 20;  // checked from the header, before decoding
};

// `read_rgb` always returns 3 channels. `read_mask` returns the first channel as stored (palette indices and grey
// values are not converted to colours; a palette image of a mask gives its palette's first channel), 1 channel.
Image read_rgb(const std::filesystem::path& path, const ImageLimits& limits = {});
Image read_mask(const std::filesystem::path& path, const ImageLimits& limits = {});
Image decode_rgb(std::string_view bytes, const std::string& where, const ImageLimits& limits = {});

}  // namespace cp
