#pragma once
// In:  parameters with gradients, a learning rate for each group.
// Out: updated parameters (AdamW, Loshchilov and Hutter 2019, decoupled weight decay); state that can be saved and
// restored
//      to the bit.
// Not here: learning-rate schedules (schedule in trainer.h).

#include <string>
#include <vector>

#include "formats/safetensors.h"
#include "learn/params.h"

namespace cp {

struct AdamWOptions {
  double beta1 = 0.9, beta2 = 0.999, eps = 1e-8, weight_decay = 0.02;
};

class AdamW {
 public:
  explicit AdamW(AdamWOptions options) : options_(options) {}

  // All parameters of `set` train with learning rate factor `scale` relative to the stage's. Names get `prefix` in the
  // state.
  void add_group(ParamSet& set, double scale, const std::string& prefix);

  void zero_grad();
  void multiply_gradients(double factor);
  // Scales all gradients so that their joint 2-norm is at most `limit`; returns the norm before. Not finite: nothing is
  // changed.
  double clip_gradients(double limit);
  void step(double learning_rate);

  std::vector<TensorToWrite> state() const;  // float32
  void load_state(const SafeTensors& file);
  std::int64_t steps() const { return steps_; }
  void set_steps(std::int64_t n) { steps_ = n; }

 private:
  struct Slot {
    std::string name;
    ParamSet* set;
    std::string key;
    double scale;
    at::Tensor mean, square;
  };
  AdamWOptions options_;
  std::vector<Slot> slots_;
  std::int64_t steps_ = 0;
};

}  // namespace cp
