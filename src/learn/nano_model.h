#pragma once
// In:  a configuration, a vocabulary, concept words; or a model folder.
// Out: all networks of a model with their manifest; written as a model folder (fp16) or restored from one.
// Not here: training state (run_folder.h), the arithmetic (fusion_net.h, language_net.h, head_net.h).

#include <filesystem>

#include "learn/fusion_net.h"
#include "learn/head_net.h"
#include "learn/language_net.h"
#include "learn/run_folder.h"
#include "learn/train_config.h"
#include "text/bpe_tokenizer.h"

namespace cp {

struct NanoModel : TrainedModel {
  // Fresh weights, f(config.seed, name).
  NanoModel(const TrainConfig& config, std::string tokenizer_text, std::vector<std::string> concepts);
  // The weights of a folder, widened to float32. `head` and `average` both get the folder's head.
  static NanoModel load(const std::filesystem::path& folder);

  // Copies `vision_folder`. The averaged head is the one that is written.
  void save(const std::filesystem::path& folder) const override;
  std::vector<std::pair<ParamSet*, std::string>> weights() override;
  void load_weights(const std::filesystem::path& folder, bool with_head) override;

  std::filesystem::path vision_folder;
  std::string tokenizer_json;
  BpeTokenizer tokenizer;
  FusionNet fusion;
  Projector projector;
  LanguageNet language;
  HeadNet head, average;

 private:
  NanoModel(ModelManifest m, std::string tokenizer_text, const LanguageConfig& config, std::uint64_t seed,
            double dropout);
};

}  // namespace cp
