#pragma once
// In:  tests/golden/runtime/clip.json, made by tests/oracle/clip_transformers.py.
// Out: the small random CLIP folders and inputs that its values belong to, number for number; the folder and the
//      features of a check at full size, where the environment names them.
// Not here: the tests.

#include <cmath>
#include <cstdlib>
#include <functional>

#include "core/file.h"
#include "core/json.h"
#include "core/rng.h"
#include "formats/safetensors.h"
#include "support/test_support.h"

namespace cp::test {

inline const Json& clip_golden() {
  static const Json all = read_json(golden("runtime/clip.json"), ErrorKind::data);
  return all;
}

// Tensor i of the list draws from sample i.
inline std::vector<TensorToWrite> clip_weights(const Json& model, DType dtype = DType::f16) {
  std::vector<TensorToWrite> out;
  for (const Json& entry : model["tensors"]) {
    TensorToWrite tensor{entry[0], entry[1], {}, dtype};
    const std::string& name = tensor.name;
    Rng rng(21, Stream::test, 0, out.size());
    std::int64_t size = 1, fan_in = 1;
    for (std::size_t d = 0; d < tensor.shape.size(); ++d) {
      size *= tensor.shape[d];
      if (d > 0) fan_in *= tensor.shape[d];
    }
    for (std::int64_t k = 0; k < size; ++k) {
      double n = rng.normal();
      if (name.ends_with(".bias"))
        n = 0.1 * n;
      else if (name.find("norm") != std::string::npos && name.ends_with(".weight"))
        n = 1 + 0.1 * n;
      else if (name.ends_with("class_embedding") || name.ends_with("position_embedding.weight"))
        n = 0.5 * n;
      else
        n = 2 * n / std::sqrt(static_cast<double>(fan_in));
      tensor.values.push_back(half_to_float(float_to_half(static_cast<float>(n))));
    }
    out.push_back(std::move(tensor));
  }
  return out;
}

inline std::filesystem::path write_clip(const std::string& name, const Json& config,
                                        const std::vector<TensorToWrite>& tensors) {
  const std::filesystem::path folder = fresh_folder(name);
  write_file_durable(folder / "config.json", config.dump());
  write_safetensors(folder / "model.safetensors", tensors);
  return folder;
}

inline std::filesystem::path make_random_clip(const Json& model) {
  return write_clip("clip", model["config"], clip_weights(model));
}

// (3 S S)
inline std::vector<float> clip_pixels(const Json& model, int side) {
  Rng rng(model["pixel_seed"], Stream::test);
  std::vector<float> out(static_cast<std::size_t>(3 * side * side));
  for (float& v : out) v = static_cast<float>(rng.normal());
  return out;
}

// A folder and what transformers makes of it (clip_transformers.py --features).
struct FullSizeClip {
  std::filesystem::path folder;
  SafeTensors golden;
  std::int64_t images;

  std::vector<float> values(const char* name) const { return golden.floats(name, golden.tensors().at(name).shape); }
};

}  // namespace cp::test

// Defines `variable`, a FullSizeClip.
#define CP_SKIP_WITHOUT_CLIP(variable)                                                                                \
  if (!std::getenv("CP_CLIP_DIR") || !std::getenv("CP_CLIP_GOLDEN"))                                                  \
    GTEST_SKIP() << "no CLIP folder to compare with (set CP_CLIP_DIR and CP_CLIP_GOLDEN, see clip_transformers.py)";  \
  ::cp::test::FullSizeClip variable{std::getenv("CP_CLIP_DIR"), SafeTensors::open(std::getenv("CP_CLIP_GOLDEN")), 0}; \
  variable.images = variable.golden.tensors().at("pixel_values").shape.at(0)
