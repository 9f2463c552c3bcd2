#pragma once
// In:  which linear modules of a frozen model are adapted, and with which rank and scale.
// Out: A and B of each as trainable weights, and what they add to the module's output.
// Not here: adapter folders (formats/peft_adapter.h), the model that calls delta() (language_net.h).

#include <map>
#include <string>
#include <vector>

#include "formats/peft_adapter.h"
#include "learn/params.h"

namespace cp {

// Low-rank adapters (Hu et al. 2021, arXiv:2106.09685): y = W x + scale B A dropout(x).
class LoraSet {
 public:
  // A uniform in +-1/sqrt(in), f(seed, name) (PEFT's kaiming_uniform with a = sqrt(5)), B zero: delta starts at 0.
  // Throws UserError as lora_targets does.
  LoraSet(const LoraConfig& config, const std::vector<LinearShape>& base, std::uint64_t seed);

  bool has(const std::string& module) const { return scales_.count(module) != 0; }
  // What `module` ("model.layers.0.self_attn.q_proj"; has() is true) adds: x (... in) -> (... out), computed in x's
  // dtype. Dropout draws from torch's generator, as all of learn/ does: the trainer seeds it with
  // the update's number, so that a resumed run draws the same.
  at::Tensor delta(const at::Tensor& x, const std::string& module, bool training) const;

  // For write_adapter, and back from read_adapter: load() wants the modules of a configuration and base as here.
  std::map<std::string, LoraModule> modules() const;
  void load(const std::map<std::string, LoraModule>& modules);

  const LoraConfig& config() const { return config_; }
  ParamSet params;  // named as in PEFT's file

 private:
  LoraConfig config_;
  std::map<std::string, double> scales_;
};

}  // namespace cp
