#pragma once
// In:  embeddings of a sequence, optionally the keys and values of what came before.
// Out: last hidden states and logits of a model of Qwen2 or Llama architecture, differentiable. Names as in Hugging
// Face. Not here: fast inference (runtime/language_model.h), decoding (runtime/beam.h).

#include <map>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "formats/language_config.h"
#include "learn/frozen_linear.h"
#include "learn/lora.h"
#include "learn/params.h"

namespace cp {

// Keys and values of each layer: (B k T d) with k key/value heads.
using KeyValues = std::vector<std::pair<at::Tensor, at::Tensor>>;

class LanguageNet {
 public:
  // Weights N(0, 0.02) (0.03 for projections that leave the residual stream), biases 0, norms 1.
  LanguageNet(const LanguageConfig& config, std::uint64_t seed, double dropout);
  // A base that never trains: linear layers, embedding and head stay as the file stores them (frozen_linear.h), norms
  // and biases are float32 in `params`, without gradients. Throws UserError(model).
  static LanguageNet load_frozen(const LanguageConfig& config, const SafeTensors& file);

  at::Tensor embed(const at::Tensor& ids) const;  // (B T) i64 -> (B T D)
  // Appends to `cache` (may be empty; its length is the position of the first row of x). Causal.
  // (B T D) -> (B T D) after the last norm. `real` (B, cache length + T), bool: false where a row is padded, on
  // whichever side; positions then count the real tokens only, as transformers' generate() does, and what stands at
  // padded places means nothing. Undefined: nothing is padded.
  at::Tensor forward(const at::Tensor& x, KeyValues& cache, bool training, const at::Tensor& real = {}) const;
  // Several samples in one row (1, sum of lengths, D), each with positions from 0 and blind to the others: the same
  // hidden states as one by one.
  at::Tensor forward_packed(const at::Tensor& x, const std::vector<std::int64_t>& lengths, bool training) const;
  at::Tensor logits(const at::Tensor& hidden) const;  // (... D) -> (... vocabulary)

  // Weights of a folder, of any storage (formats/language_weights.h), as float32.
  void load(const SafeTensors& file);

  const LanguageConfig& config() const { return config_; }
  ParamSet params;
  std::optional<LoraSet> lora;     // added to the layers that it adapts
  bool checkpoint_layers = false;  // forget what is inside a layer and compute it again on the way back (checkpoint.h)

  // The output projection of a frozen base, for answer_loss().
  const FrozenLinear& frozen_head() const;

 private:
  // Which keys each query sees, and where each row stands.
  struct Layout {
    at::Tensor mask;    // (T, cache length + T) or (B 1 T, ...), bool
    at::Tensor places;  // (T 1) or (B 1 T 1), float64
  };
  LanguageNet(const LanguageConfig& config, const SafeTensors& frozen);
  at::Tensor run(const at::Tensor& x, KeyValues* cache, const Layout& layout, bool training) const;
  at::Tensor linear(const at::Tensor& x, const std::string& name, bool training) const;
  at::Tensor layer(int index, at::Tensor x, const at::Tensor& cos, const at::Tensor& sin, const at::Tensor& mask,
                   std::pair<at::Tensor, at::Tensor>* cache, bool training) const;

  LanguageConfig config_;
  double dropout_;
  std::map<std::string, FrozenLinear> frozen_;  // by the layer's name; empty: everything is in `params`
};

// Repeats each row of the cache `times` times in a row (for several captions of one prompt).
KeyValues repeat_rows(const KeyValues& cache, std::int64_t times);

}  // namespace cp
