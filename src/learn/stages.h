#pragma once
// In:  TrainData, the networks.
// Out: the four stages: text and map and caption (phase 1), head (phase 2).
// Not here: the loop (trainer.h); calibration (calibrate.h).

#include <functional>
#include <memory>
#include <optional>

#include "learn/fusion_net.h"
#include "learn/head_net.h"
#include "learn/language_net.h"
#include "learn/stage.h"
#include "learn/train_data.h"
#include "text/action_text.h"
#include "text/template.h"

namespace cp {

// The language model alone: captions given change flag and concepts, no image.
class TextStage : public Stage {
 public:
  TextStage(const TrainConfig& config, const TrainData& data, LanguageNet& language, Projector& projector);
  std::string name() const override { return "text"; }
  const StageOptions& options() const override { return config_.text; }
  void add_parameters(AdamW& optimiser) override;
  std::vector<std::size_t> order(int epoch) const override;
  at::Tensor loss(std::span<const std::size_t> batch, int epoch, std::map<std::string, double>& parts) override;
  OrderedJson validate() override;

 private:
  at::Tensor batch_loss(const std::vector<TrainData::TextItem>& items, std::span<const std::size_t> batch, int epoch,
                        bool training);

  const TrainConfig& config_;
  const TrainData& data_;
  LanguageNet& language_;
  Projector& projector_;
  std::vector<Prompt> english_, chinese_;
};

// Fusion: change map (binary cross-entropy + 0.5 dice) and change flag. Before and after are swapped at random.
class MapStage : public Stage {
 public:
  // Trains on the pairs in `subset` (numbers into data.train); empty = all.
  MapStage(const TrainConfig& config, const TrainData& data, FusionNet& fusion, std::vector<std::size_t> subset = {});
  std::string name() const override { return "map"; }
  const StageOptions& options() const override { return config_.map; }
  void add_parameters(AdamW& optimiser) override;
  std::vector<std::size_t> order(int epoch) const override;
  at::Tensor loss(std::span<const std::size_t> batch, int epoch, std::map<std::string, double>& parts) override;
  OrderedJson validate() override;

 private:
  const TrainConfig& config_;
  const TrainData& data_;
  FusionNet& fusion_;
  std::vector<std::size_t> subset_;
};

// Projector and language model on real pairs; fusion is frozen.
class CaptionStage : public Stage {
 public:
  CaptionStage(const TrainConfig& config, const TrainData& data, const FusionNet& fusion, Projector& projector,
               LanguageNet& language);
  std::string name() const override { return "caption"; }
  const StageOptions& options() const override { return config_.caption; }
  void add_parameters(AdamW& optimiser) override;
  std::vector<std::size_t> order(int epoch) const override;
  at::Tensor loss(std::span<const std::size_t> batch, int epoch, std::map<std::string, double>& parts) override;
  OrderedJson validate() override;

 private:
  // The ids of a view's action, perhaps after a thought about `caption`, with the end token.
  std::vector<int> action_ids(const ActionTarget& target, const std::vector<int>& caption,
                              const std::string& language) const;

  const TrainConfig& config_;
  const TrainData& data_;
  const FusionNet& fusion_;
  Projector& projector_;
  LanguageNet& language_;
  std::vector<Prompt> english_, chinese_;
  std::optional<ActionSpelling> spelling_;  // where actions are written
  std::vector<Prompt> acting_;              // asks for an action, in English and Chinese
};

// What an action head learns from, f(seed, epoch, sample): of a denoiser `draws` noisy versions of each action.
class ActionLoss {
 public:
  ActionLoss(const HeadOptions& options, std::uint64_t seed);
  // diffusion: mean squared error of the predicted noise; flow: of the velocity; regression: mean absolute error;
  // heatmap: mean negative log density of the place and log-probability of a. Hidden states, targets and samples
  // (numbers for the draws) by row. Pairs without a point teach `a` alone.
  at::Tensor operator()(const HeadNet& head, const HiddenBatch& hidden, const std::vector<ActionTarget>& targets,
                        int epoch, std::span<const std::size_t> samples, bool training) const;

 private:
  at::Tensor denoising(const HeadNet& head, const HeadNet::Condition& condition, const at::Tensor& clean,
                       const at::Tensor& weight, int epoch, std::span<const std::size_t> samples, bool training) const;

  const HeadOptions& options_;
  std::uint64_t seed_;
  at::Tensor alphas_;  // (T) accumulated
};

// Last hidden states of readout tokens (4 D) appended to the prompts of some rows: visual (B N D) -> (B 4 D).
using Readout = std::function<at::Tensor(const at::Tensor& visual, const at::Tensor& tokens)>;

// Action head on cached hidden states; everything else is frozen.
class HeadStage : public Stage {
 public:
  // Rows of the hidden states: pair-major, then view; of the validation pairs one view. Trains on the pairs in
  // `subset`; empty = all. `readout` is needed by the condition `queries` only.
  struct Data {
    const std::vector<TrainPair>&train, &val;
    HiddenBatch train_hidden, val_hidden;
    Readout readout = {};
  };
  HeadStage(const HeadOptions& options, std::uint64_t seed, const Data& data, HeadNet& head, HeadNet& average,
            std::vector<std::size_t> subset = {});
  std::string name() const override { return "head"; }
  const StageOptions& options() const override { return options_; }
  void add_parameters(AdamW& optimiser) override;
  std::vector<std::size_t> order(int epoch) const override;
  at::Tensor loss(std::span<const std::size_t> batch, int epoch, std::map<std::string, double>& parts) override;
  void after_step() override;
  OrderedJson validate() override;

 private:
  const HeadOptions& options_;
  std::uint64_t seed_;
  const Data data_;
  HeadNet& head_;
  HeadNet& average_;
  std::vector<std::size_t> subset_;
  ActionLoss action_loss_;
};

// Last hidden states of readout tokens (4 D) after the prompt: visual (B N D) -> (B 4 D).
at::Tensor read_out(const LanguageNet& language, const Prompt& prompt, const at::Tensor& visual,
                    const at::Tensor& tokens);

// (B T D): the prompt's embeddings with the visual ones in their places; `visual` (B N D).
at::Tensor prompt_embeddings(const LanguageNet& language, const Prompt& prompt, const at::Tensor& visual);

// Mean caption loss of `ids` (one row a caption, `per_prompt` captions for each prompt in a row); the end token counts.
at::Tensor caption_loss(const LanguageNet& language, const at::Tensor& prompt,
                        const std::vector<std::vector<int>>& captions, int per_prompt, double label_smoothing,
                        bool training);

// Samples of a batch that answer the same prompt: their rows of the visual embeddings, and `per_prompt` captions each.
struct PromptGroup {
  const Prompt* prompt = nullptr;
  std::vector<std::int64_t> rows;
  std::vector<std::vector<int>> captions;
};
// The mean over all tokens of all groups; a group without samples counts nothing. `visual` (B N D).
at::Tensor grouped_caption_loss(const LanguageNet& language, const at::Tensor& visual,
                                const std::vector<PromptGroup>& groups, int per_prompt, double label_smoothing,
                                bool training);

// The plain prompts of a language's instructions, the default one first.
std::vector<Prompt> instruction_prompts(const BpeTokenizer& tokenizer, const std::string& language, int visual_count);

}  // namespace cp
