#pragma once
// In:  embeddings of a sequence, optionally the keys and values of what came before.
// Out: last hidden states and logits of a model of Qwen2 or Llama architecture, differentiable. Names as in Hugging
// Face. Not here: fast inference (runtime/language_model.h), decoding (runtime/beam.h).

#include <optional>
#include <utility>
#include <vector>

#include "formats/language_config.h"
#include "learn/lora.h"
#include "learn/params.h"

namespace cp {

// Keys and values of each layer: (B k T d) with k key/value heads.
using KeyValues = std::vector<std::pair<at::Tensor, at::Tensor>>;

class LanguageNet {
 public:
  // Weights N(0, 0.02) (0.03 for projections that leave the residual stream), biases 0, norms 1.
  LanguageNet(const LanguageConfig& config, std::uint64_t seed, double dropout);

  at::Tensor embed(const at::Tensor& ids) const;  // (B T) i64 -> (B T D)
  // Appends to `cache` (may be empty; its length is the position of the first row of x). Causal.
  // (B T D) -> (B T D) after the last norm. `real` (B, cache length + T), bool: false where a row is padded, on
  // whichever side; positions then count the real tokens only, as transformers' generate() does, and what stands at
  // padded places means nothing. Undefined: nothing is padded.
  at::Tensor forward(const at::Tensor& x, KeyValues& cache, bool training, const at::Tensor& real = {}) const;
  at::Tensor logits(const at::Tensor& hidden) const;  // (... D) -> (... vocabulary)

  // Weights of a folder, of any storage (formats/language_weights.h), as float32.
  void load(const SafeTensors& file);

  const LanguageConfig& config() const { return config_; }
  ParamSet params;
  std::optional<LoraSet> lora;  // added to the layers that it adapts

 private:
  at::Tensor linear(const at::Tensor& x, const std::string& name, bool training) const;
  at::Tensor layer(int index, at::Tensor x, const at::Tensor& cos, const at::Tensor& sin, const at::Tensor& mask,
                   std::pair<at::Tensor, at::Tensor>& cache, bool training) const;

  LanguageConfig config_;
  double dropout_;
};

// Repeats each row of the cache `times` times in a row (for several captions of one prompt).
KeyValues repeat_rows(const KeyValues& cache, std::int64_t times);

}  // namespace cp
