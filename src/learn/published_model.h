#pragma once
// In:  a model folder of the published design (docs/published.md), as runtime/assemble.h makes it.
// Out: its networks, ready to be trained: language model frozen as it is stored, adapter, fusion and head trainable;
//      written as a model folder.
// Not here: training state (run_folder.h), the arithmetic (language_net.h, pair_fusion_net.h, head_net.h).

#include <filesystem>

#include "learn/head_net.h"
#include "learn/language_net.h"
#include "learn/pair_fusion_net.h"
#include "learn/published_config.h"
#include "learn/run_folder.h"

namespace cp {

class PublishedModel : public TrainedModel {
 public:
  // Networks as in `folder`; the adapter starts anew, f(config.seed, name). Throws UserError(model).
  PublishedModel(const std::filesystem::path& folder, const PublishedConfig& config);

  void to(at::Device device);

  // Vision and language by reference or copied, as config.parts says. The averaged head is the one that is written.
  void save(const std::filesystem::path& folder) const override;
  std::vector<std::pair<ParamSet*, std::string>> weights() override;

 private:
  PublishedModel(ModelManifest m, const std::filesystem::path& folder, const PublishedConfig& config);

  const PublishedConfig& config_;
  std::filesystem::path vision_folder_, language_folder_;

 public:
  LanguageNet language;  // with its adapter
  PairFusionNet fusion;
  HeadNet head, average;
};

// "auto": bfloat16 on CUDA and where the processor multiplies it fast, else float32.
at::ScalarType compute_dtype(const std::string& name, at::Device device);

}  // namespace cp
