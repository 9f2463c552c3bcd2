#pragma once
// In:  preprocessor_config.json of a vision folder, as Hugging Face's image processors write it.
// Out: how an image is prepared (image/preprocess.h).
// Not here: pixels.

#include <filesystem>

#include "image/preprocess.h"

namespace cp {

// Reads size and crop_size ({"height", "width"}, {"shortest_edge"} or a number), resample (Pillow's numbers),
// do_center_crop, rescale_factor, image_mean, image_std. Absent keys take the defaults of transformers'
// CLIPImageProcessor when the file names it (image_processor_type or, before 2022, feature_extractor_type), with
// numbers for size meaning the shortest edge; a file that names no processor must hold them. Throws UserError(model)
// naming the field for what preprocess() cannot do, for other processors and for unknown fields.
Preprocess read_preprocess(const std::filesystem::path& preprocessor_config_json);

}  // namespace cp
