#pragma once
// In:  tests/golden/runtime/language.json, made by tests/oracle/language_transformers.py.
// Out: the small random language models that its values belong to, number for number; the folder and the logits of a
//      check at full size, where the environment names them.
// Not here: the tests.

#include "formats/language_config.h"
#include "random_clip.h"

namespace cp::test {

inline const Json& language_golden() {
  static const Json all = read_json(golden("runtime/language.json"), ErrorKind::data);
  return all;
}

struct GoldenLanguage {
  LanguageConfig config;
  SafeTensors file;
};

inline GoldenLanguage make_language(const Json& model) {
  return {parse_language_config(model["config"].dump(), "golden"),
          SafeTensors::parse(encode_safetensors(clip_weights(model)), "golden")};
}

// A folder and what transformers makes of it (language_transformers.py --full, smollm2_continue.py --golden).
struct FullSizeLanguage {
  std::filesystem::path folder;
  SafeTensors golden;

  std::vector<int> ints(const std::string& name) const {
    const TensorView& view = golden.get(name, {-1});
    std::vector<std::int64_t> wide(static_cast<std::size_t>(view.size()));
    std::memcpy(wide.data(), view.bytes.data(), view.bytes.size());
    return {wide.begin(), wide.end()};
  }
};

inline constexpr int kContinuedPrompts = 20;  // of smollm2_continue.py

// Largest |got - want| over the largest |want|.
inline double relative_error(std::span<const float> got, std::span<const float> want) {
  double error = 0, scale = 0;
  for (std::size_t i = 0; i < want.size(); ++i) {
    error = std::max(error, static_cast<double>(std::abs(got[i] - want[i])));
    scale = std::max(scale, static_cast<double>(std::abs(want[i])));
  }
  return error / scale;
}

}  // namespace cp::test

// Defines `variable`, a FullSizeLanguage: PREFIX_DIR and PREFIX_GOLDEN of the environment.
#define CP_SKIP_WITHOUT_LANGUAGE(variable, prefix)                                       \
  if (!std::getenv(prefix "_DIR") || !std::getenv(prefix "_GOLDEN"))                     \
    GTEST_SKIP() << "no language folder to compare with (set " prefix "_DIR and " prefix \
                    "_GOLDEN, see "                                                      \
                    "language_transformers.py and smollm2_continue.py)";                 \
  ::cp::test::FullSizeLanguage variable { std::getenv(prefix "_DIR"), SafeTensors::open(std::getenv(prefix "_GOLDEN")) }
