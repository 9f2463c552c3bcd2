#pragma once
// In:  embeddings of a sequence, optionally the keys and values of what came before.
// Out: last hidden states and logits of a model of Qwen2 or Llama architecture, differentiable. Names as in Hugging
// Face. Not here: fast inference (runtime/language_model.h), decoding (runtime/beam.h).

#include <map>
#include <numeric>
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

// A prompt with the answers that follow it, one after another. Each answer sees the prompt and itself, as if it stood
// alone behind the prompt, its positions included. Without answers: a plain sample.
struct Segment {
  std::int64_t prompt = 0;            // tokens
  std::vector<std::int64_t> answers;  // tokens of each

  std::int64_t length() const { return std::accumulate(answers.begin(), answers.end(), prompt); }
};

class LanguageNet {
 public:
  // Weights N(0, 0.02) (0.03 for projections that leave the residual stream), biases 0, norms 1.
  LanguageNet(const LanguageConfig& config, std::uint64_t seed, double dropout);
  // A base that never trains: linear layers, embedding and head stay as the file stores them (frozen_linear.h), norms
  // and biases are float32 in `params`, without gradients. What is loaded leaves `file` and, when nobody else holds a
  // copy, the memory. Throws UserError(model).
  static LanguageNet load_frozen(const LanguageConfig& config, SafeTensors file);

  at::Tensor embed(const at::Tensor& ids) const;  // (B T) i64 -> (B T D)
  // Appends to `cache` (may be empty; its length is the position of the first row of x). Causal.
  // (B T D) -> (B T D) after the last norm. `real` (B, cache length + T), bool: false where a row is padded, on
  // whichever side; positions then count the real tokens only, as transformers' generate() does, and what stands at
  // padded places means nothing. Undefined: nothing is padded.
  at::Tensor forward(const at::Tensor& x, KeyValues& cache, bool training, const at::Tensor& real = {}) const;
  // Segments in one row (1, sum of lengths, D), each blind to the others: the same hidden states as one by one, without
  // padding and with each prompt computed once. Attention is computed segment by segment.
  at::Tensor forward_packed(const at::Tensor& x, const std::vector<Segment>& segments, bool training) const;
  at::Tensor logits(const at::Tensor& hidden) const;  // (... D) -> (... vocabulary)

  // Weights of a folder, of any storage (formats/language_weights.h), as float32.
  void load(const SafeTensors& file);

  void to(at::Device device);  // weights, adapter included

  const LanguageConfig& config() const { return config_; }
  ParamSet params;
  std::optional<LoraSet> lora;  // added to the layers that it adapts
  // What the layers multiply in. kFloat: in x's dtype. kBFloat16 or kHalf: projections, attention and SwiGLU in that,
  // residual stream, norms and trainable weights in x's (float32), as autocast has it.
  at::ScalarType compute = at::kFloat;
  bool checkpoint_layers = false;  // forget what is inside a layer and compute it again on the way back (checkpoint.h)

  // The output projection of a frozen base, for answer_loss().
  const FrozenLinear& frozen_head() const;
  // Hidden states as answer_loss() shall multiply them: in bfloat16 where the layers do, as autocast has it. Not in
  // float16, where the small gradients of the many unlikely tokens would vanish.
  at::Tensor for_head(const at::Tensor& hidden) const {
    return compute == at::kBFloat16 ? hidden.to(at::kBFloat16) : hidden;
  }

 private:
  // Which keys each query sees, and by which angles each row is turned.
  struct Layout {
    std::vector<std::int64_t> lengths;  // of the parts of the row that are blind to each other; empty: one part
    // One a part: (T, cache length + T) or (B 1 T, ...), bool, true where a query sees a key. Undefined: causal, or,
    // for a single query, all of the cache. Empty: one that is undefined.
    std::vector<at::Tensor> masks;
    at::Tensor cos, sin;  // (T d/2) or (B 1 T d/2)
  };
  LanguageNet(const LanguageConfig& config, SafeTensors frozen);
  // Fills in the angles from places: (T 1) or (B 1 T 1), float64.
  at::Tensor run(const at::Tensor& x, KeyValues* cache, Layout& layout, const at::Tensor& places, bool training) const;
  at::Tensor linear(const at::Tensor& x, const std::string& name, bool training) const;
  at::Tensor norm(const at::Tensor& x, const std::string& name, at::ScalarType out) const;
  at::Tensor attention(const at::Tensor& q, const at::Tensor& k, const at::Tensor& v, const Layout& layout) const;
  at::Tensor layer(int index, at::Tensor x, const Layout& layout, std::pair<at::Tensor, at::Tensor>* cache,
                   bool training) const;

  LanguageConfig config_;
  double dropout_;
  std::map<std::string, FrozenLinear> frozen_;  // by the layer's name; empty: everything is in `params`
};

// Repeats each row of the cache `times` times in a row (for several captions of one prompt).
KeyValues repeat_rows(const KeyValues& cache, std::int64_t times);

}  // namespace cp
