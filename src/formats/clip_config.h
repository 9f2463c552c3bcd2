#pragma once
// In:  config.json of a Hugging Face folder that holds a CLIP vision transformer.
// Out: the numbers that fix its computation; the names and shapes of the weights that belong to it.
// Not here: weights (safetensors.h), the network (runtime/clip_vit.h, learn/clip_net.h), CLIP's text side.

#include <filesystem>
#include <string>
#include <string_view>

#include "formats/safetensors.h"

namespace cp {

// Names as in config.json; the defaults are those that transformers' CLIPVisionConfig takes for an absent key.
struct ClipConfig {
  int hidden_size = 768;         // W
  int intermediate_size = 3072;  // of the feed-forward part
  int projection_dim = 512;      // P
  int num_hidden_layers = 12;
  int num_attention_heads = 12;
  int image_size = 224;  // S, px
  int patch_size = 32;   // px
  double layer_norm_eps = 1e-5;
  bool quick_gelu = true;  // "hidden_act": quick_gelu, x sigmoid(1.702 x), or gelu, the exact one

  int grid() const {
    return image_size / patch_size;
  }                                                   // G; pixels right of and below the last whole patch are not read
  int tokens() const { return grid() * grid() + 1; }  // T: the class token, then the patches row by row
  int head_dim() const { return hidden_size / num_attention_heads; }
};

// Two forms are read: model_type "clip" (CLIPModel; the numbers stand in "vision_config") and "clip_vision_model"
// (CLIPVisionModelWithProjection; they stand flat). As in transformers, a "vision_config_dict" that is not null
// replaces "vision_config" whole, and its absent keys take the defaults. The projection's width is taken from the top,
// else from inside. Throws UserError(model) naming the field: of another type, out of range, sizes that do not divide,
// more than 64 x 64 patches, or set to what would compute something else (another model_type or hidden_act,
// num_channels, pruned heads, quantisation).
ClipConfig read_clip_config(const std::filesystem::path& config_json);
ClipConfig parse_clip_config(std::string_view json, const std::string& where);

// All tensors that the vision side of a checkpoint must hold. The rest of a CLIPModel (text_model.*, text_projection,
// logit_scale) and the position_ids that older transformers stored may stand in the file too and are not read.
TensorExpectation clip_tensors(const ClipConfig& config);

}  // namespace cp
