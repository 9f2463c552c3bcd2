#pragma once
// In:  PublishedData, a PublishedModel.
// Out: phase 1 (captions: fusion, projector, adapter), the joint stage (captions and action together), and the hidden
//      states that phase 2 (HeadStage) learns from.
// Not here: the head's own stage and its loss (stages.h), rows (caption_rows.h), the loop (trainer.h).

#include "learn/published_data.h"
#include "learn/published_model.h"
#include "learn/stages.h"

namespace cp {

class AnswerStage : public Stage {
 public:
  // `joint`: the action head learns too, from the states that the caption's prompt ends on.
  AnswerStage(const PublishedConfig& config, const PublishedData& data, PublishedModel& model, bool joint);
  std::string name() const override { return joint_ ? "joint" : "caption"; }
  const StageOptions& options() const override { return config_.caption; }
  void add_parameters(AdamW& optimiser) override;
  std::vector<std::size_t> order(int epoch) const override;
  at::Tensor loss(std::span<const std::size_t> batch, int epoch, std::map<std::string, double>& parts) override;
  bool scales_loss() const override { return model_.language.compute == at::kHalf; }
  void after_step() override;
  OrderedJson validate() override;

 private:
  at::Tensor batch_loss(const std::vector<TrainPair>& pairs, const FeatureCache& features, const AnswerBatch& batch,
                        int epoch, bool training, std::map<std::string, double>& parts);

  const PublishedConfig& config_;
  const PublishedData& data_;
  PublishedModel& model_;
  bool joint_;
  ActionLoss action_loss_;
};

inline constexpr std::size_t kHiddenBatch = 16;  // pairs whose hidden states are computed at a time

// Hidden states of every (pair, view), pair-major, under the frozen networks after the default prompt.
HiddenBatch published_hidden(const PublishedModel& model, const std::vector<TrainPair>& pairs,
                             const FeatureCache& features, const Prompt& prompt, const HeadOptions& head);

}  // namespace cp
