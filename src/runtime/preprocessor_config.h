#pragma once
// In:  preprocessor_config.json of a vision folder, as Hugging Face's image processors write it.
// Out: how an image is prepared (image/preprocess.h).
// Not here: pixels.

#include <filesystem>

#include "image/preprocess.h"

namespace cp {

// Reads size ({"height","width"}, {"shortest_edge"} or a number), resample (Pillow's numbers), do_center_crop and
// crop_size, rescale_factor, image_mean, image_std. Throws UserError(model) naming the field for what preprocess()
// cannot do.
Preprocess read_preprocess(const std::filesystem::path& preprocessor_config_json);

}  // namespace cp
