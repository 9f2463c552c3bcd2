#pragma once
// In:  a Hugging Face folder of Qwen2 or Llama architecture (float32, bfloat16, float16, NF4 or int8 weights), perhaps
//      a PEFT adapter; embeddings, token ids.
// Out: last hidden states, logits, with a key/value cache that beams share.
// Not here: tokens and templates (text/), search (beam.h, sampling.h). One sequence a call: nothing is ever padded.

#include <filesystem>
#include <span>
#include <vector>

#include "formats/language_config.h"
#include "kernels/cached_attention.h"
#include "runtime/projection.h"

namespace cp {

class LanguageModel {
 public:
  // Keys and values of one prompt, and of what every beam wrote after it, with the memory that a step works in. Copying
  // it forks the search.
  class Cache {
   public:
    int length() const { return prompt_length_ + generated_; }

   private:
    friend class LanguageModel;
    struct Layer {
      StoredKeys prompt;
      std::vector<StoredKeys> beams, spare;  // of what each beam wrote; where they are put in another order
    };
    struct Work {
      ProjectionInput input;
      std::vector<float> x, normed, q, k, v, mixed, gate, up, cosines, sines, attention, logits;
      LeadingScratch leading;
    };
    std::vector<Layer> layers_;
    Work work_;
    int prompt_length_ = 0, generated_ = 0, beams_ = 0;
  };

  // Reads config.json and the weights (single file or sharded). With fast products a dense embedding or head of an NF4
  // model is rounded to int8. Throws UserError(model).
  static LanguageModel load(const std::filesystem::path& folder, Products products = Products::exact);
  static LanguageModel load(const LanguageConfig& config, const SafeTensors& file, Products products = Products::exact);

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
  // prompt). Returns last hidden states (B D), which the cache holds until the next call. Allocates nothing while the
  // number of beams stays and the room for their keys (kRoom tokens, then doubled) suffices.
  std::span<const float> step(std::span<const int> tokens, std::span<const int> parents, Cache& cache) const;
  std::vector<float> decode(std::span<const int> tokens, std::span<const int> parents, Cache& cache) const {
    const std::span<const float> hidden = step(tokens, parents, cache);
    return {hidden.begin(), hidden.end()};
  }
  // hidden (M D) -> (M V).
  std::vector<float> logits(std::span<const float> hidden) const;
  // The same in the cache's memory, until the next call. With `leading` above 0 only that many of the largest need be
  // what logits() gives (leading_logits.h); 0: all.
  std::span<const float> logits(std::span<const float> hidden, int leading, Cache& cache) const;

  static constexpr int kRoom = 64;

 private:
  enum { kQ, kK, kV, kO, kGate, kUp, kDown, kLinears };  // in the order of language_linears()
  struct Layer {
    std::vector<float> attention_norm, mlp_norm;
    Projection linears[kLinears];
  };

  static LanguageModel load(const LanguageConfig& config, const SafeTensors& file, SafeTensors* release,
                            Products products);
  const Projection& head() const { return config_.tie_word_embeddings ? embedding_ : head_; }
  void embed_to(std::span<const int> ids, float* out) const;
  void angles(int first, int count, Cache::Work& work) const;
  void project(const Layer& layer, int step, Cache::Work& work) const;
  void attend_prompt(const StoredKeys& kept, int length, Cache::Work& work) const;
  void attend_beams(const Cache::Layer& kept, std::size_t beams, int prompt, int own, Cache::Work& work) const;
  void finish_layer(const Layer& layer, Cache::Work& work) const;
  void reorder(std::span<const int> parents, Cache& cache) const;
  float eps() const { return static_cast<float>(config_.rms_norm_eps); }

  LanguageConfig config_;
  std::vector<float> inverse_frequency_;  // (head_dim / 2)
  Projection embedding_;                  // (V D); the head too when they are tied
  std::vector<Layer> layers_;
  std::vector<float> final_norm_;
  Projection head_;
};

}  // namespace cp
