#pragma once
// In:  training data, the networks that a stage trains.
// Out: the order of samples, the loss of a batch, validation figures. Everything random is f(seed, stream, epoch,
// sample). Not here: the loop, optimiser, checkpoints (trainer.h).

#include <map>
#include <span>
#include <string>
#include <vector>

#include "core/json.h"
#include "learn/adamw.h"
#include "learn/train_config.h"

namespace cp {

class Stage {
 public:
  virtual ~Stage() = default;

  virtual std::string name() const = 0;
  virtual const StageOptions& options() const = 0;
  virtual AdamWOptions optimiser() const { return {0.9, options().beta2, 1e-8, options().weight_decay}; }
  virtual void add_parameters(AdamW& optimiser) = 0;

  // Sample numbers of an epoch in training order.
  virtual std::vector<std::size_t> order(int epoch) const = 0;
  // Mean loss of a batch (a scalar with a graph); `parts` gets named shares of it for the log.
  virtual at::Tensor loss(std::span<const std::size_t> batch, int epoch, std::map<std::string, double>& parts) = 0;
  // Gradients in float16 need a loss that is multiplied by TrainState::loss_scale on the way back.
  virtual bool scales_loss() const { return false; }
  virtual void after_step() {}
  // Figures on the validation pairs. "monitor" is what the best checkpoint has least of.
  virtual OrderedJson validate() = 0;
};

}  // namespace cp
