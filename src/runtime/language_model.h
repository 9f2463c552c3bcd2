#pragma once
// In:  a Hugging Face folder of Qwen2 or Llama architecture (float32, bfloat16, float16, NF4 or int8 weights), perhaps
//      a PEFT adapter; embeddings, token ids.
// Out: last hidden states, logits, with a key/value cache that beams share.
// Not here: tokens and templates (text/), search (beam.h, sampling.h). One sequence a call: nothing is ever padded.

#include <filesystem>
#include <span>
#include <vector>

#include "formats/language_config.h"
#include "runtime/projection.h"

namespace cp {

class LanguageModel {
 public:
  // Keys and values of one prompt, and of what every beam wrote after it. Copying it forks the search.
  class Cache {
   public:
    int length() const { return prompt_length_ + generated_; }

   private:
    friend class LanguageModel;
    struct Layer {
      std::vector<float> prompt_k, prompt_v;           // (T, heads_kv head_dim)
      std::vector<std::vector<float>> beam_k, beam_v;  // per beam (generated, heads_kv head_dim)
    };
    std::vector<Layer> layers_;
    int prompt_length_ = 0, generated_ = 0;
  };

  // Reads config.json and the weights (single file or sharded). Throws UserError(model).
  static LanguageModel load(const std::filesystem::path& folder);
  static LanguageModel load(const LanguageConfig& config, const SafeTensors& file);

  // Adds the adapter to the projections it names, which must be those of this model (read_adapter() sees to it).
  void attach(const Adapter& adapter);

  const LanguageConfig& config() const { return config_; }
  int hidden() const { return config_.hidden_size; }

  // ids (M) -> (M D). Throws BugError for an id outside the vocabulary.
  std::vector<float> embed(std::span<const int> ids) const;
  // Input embeddings of the whole prompt (T D) at positions 0 .. T-1 -> last hidden states (T D), after the final norm.
  // Starts `cache` anew.
  std::vector<float> prefill(std::span<const float> embeddings, Cache& cache) const;
  // One more token a beam: tokens (B), parents (B) = which of the beams so far each one continues (all 0 after the
  // prompt). Returns last hidden states (B D).
  std::vector<float> decode(std::span<const int> tokens, std::span<const int> parents, Cache& cache) const;
  // hidden (M D) -> (M V).
  std::vector<float> logits(std::span<const float> hidden) const;

 private:
  enum { kQ, kK, kV, kO, kGate, kUp, kDown, kLinears };  // in the order of language_linears()
  struct Layer {
    std::vector<float> attention_norm, mlp_norm;
    Projection linears[kLinears];
  };

  // q (M, heads head_dim) and k (M, heads_kv head_dim) rotated in place; row m stands at position first + m step.
  void rotate(std::span<float> x, int heads, int first, int step) const;
  void mlp(const Layer& layer, std::vector<float>& x) const;

  LanguageConfig config_;
  std::vector<float> inverse_frequency_;  // (head_dim / 2)
  Projection embedding_;                  // (V D); the head too when they are tied
  std::vector<Layer> layers_;
  std::vector<float> final_norm_;
  Projection head_;
};

}  // namespace cp
