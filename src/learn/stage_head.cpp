// Head stage: the denoiser on cached hidden states.
#include <numeric>

#include "diffusion/schedule.h"
#include "learn/stages.h"

namespace cp {

NoiseLoss::NoiseLoss(const HeadOptions& options, std::uint64_t seed)
    : options_(options),
      seed_(seed),
      alphas_(at::tensor(accumulated_alphas(parse_schedule(options.schedule))).to(at::kFloat)) {}

at::Tensor NoiseLoss::operator()(const HeadNet& head, const HiddenBatch& hidden,
                                 const std::vector<ActionTarget>& targets, int epoch,
                                 std::span<const std::size_t> samples, bool training) const {
  const int draws = options_.draws;
  const auto rows = static_cast<std::int64_t>(targets.size()) * draws;
  const at::Tensor clean = at::empty({rows, 3}), weight = at::empty({rows, 3}), noise = at::empty({rows, 3});
  const at::Tensor t = at::empty({rows}, at::kLong);
  const auto steps = static_cast<std::uint64_t>(alphas_.size(0));
  std::int64_t row = 0;
  for (std::size_t i = 0; i < targets.size(); ++i) {
    Rng time(seed_, Stream::diffusion_time, static_cast<std::uint32_t>(epoch), samples[i]);
    Rng normal(seed_, Stream::diffusion_noise, static_cast<std::uint32_t>(epoch), samples[i]);
    const ActionTarget& target = targets[i];
    const float point = target.has_point ? 1.f : 0.f;  // unchanged pairs have no place: x and y are masked out
    for (int d = 0; d < draws; ++d, ++row) {
      float* c = clean.data_ptr<float>() + row * 3;
      float* w = weight.data_ptr<float>() + row * 3;
      float* n = noise.data_ptr<float>() + row * 3;
      c[0] = static_cast<float>(2 * target.x - 1), c[1] = static_cast<float>(2 * target.y - 1),
      c[2] = target.a ? 1.f : -1.f;
      w[0] = w[1] = point, w[2] = 1.f;
      for (int k = 0; k < 3; ++k) n[k] = static_cast<float>(normal.normal());
      t.data_ptr<std::int64_t>()[row] = static_cast<std::int64_t>(time.below(steps));
    }
  }
  const at::Tensor c = head.condition(hidden).repeat_interleave(draws, 0);
  const at::Tensor alpha = alphas_.index_select(0, t).unsqueeze(1);
  const at::Tensor noisy = alpha.sqrt() * clean + (1 - alpha).sqrt() * noise;
  const auto there = [&](const at::Tensor& x) { return x.to(c.device()); };
  const at::Tensor eps = head.denoise(there(noisy), there(t), c, options_.dropout, training);
  return ((eps - there(noise)).pow(2) * there(weight)).sum() / there(weight.sum().clamp_min(1));
}

HeadStage::HeadStage(const HeadOptions& options, std::uint64_t seed, const std::vector<TrainPair>& train,
                     const std::vector<TrainPair>& val, HiddenBatch train_hidden, HiddenBatch val_hidden, HeadNet& head,
                     HeadNet& average)
    : options_(options),
      seed_(seed),
      train_(train),
      val_(val),
      train_hidden_(std::move(train_hidden)),
      val_hidden_(std::move(val_hidden)),
      head_(head),
      average_(average),
      noise_loss_(options, seed) {}

void HeadStage::add_parameters(AdamW& optimiser) { optimiser.add_group(head_.params, 1.0, "head."); }

std::vector<std::size_t> HeadStage::order(int epoch) const {
  // An epoch is every pair in every view: sample = pair * views + view, the row of the cached hidden states.
  std::vector<std::size_t> order(static_cast<std::size_t>(train_hidden_.last.size(0)));
  std::iota(order.begin(), order.end(), 0);
  Rng(seed_, Stream::shuffle, static_cast<std::uint32_t>(epoch), 4).shuffle(order);
  return order;
}

at::Tensor HeadStage::loss(std::span<const std::size_t> batch, int epoch, std::map<std::string, double>&) {
  std::vector<std::int64_t> rows;
  std::vector<ActionTarget> targets;
  const std::size_t views = train_.front().views.size();
  for (const std::size_t sample : batch) {
    rows.push_back(static_cast<std::int64_t>(sample));
    targets.push_back(train_[sample / views].targets[sample % views]);
  }
  const at::Tensor index = at::tensor(rows, at::kLong).to(train_hidden_.last.device());
  const auto choose = [&](const at::Tensor& of) { return of.defined() ? of.index_select(0, index) : of; };
  return noise_loss_(head_, {choose(train_hidden_.grid), choose(train_hidden_.last)}, targets, epoch, batch, true);
}

void HeadStage::after_step() { average_.params.follow(head_.params, options_.ema); }

OrderedJson HeadStage::validate() {
  if (val_.empty()) return {{"monitor", nullptr}};
  at::NoGradGuard no_grad;
  std::vector<ActionTarget> targets;
  std::vector<std::size_t> samples;
  for (std::size_t i = 0; i < val_.size(); ++i) {
    targets.push_back(val_[i].targets[0]);
    samples.push_back(kValSamples + i);
  }
  const double loss = noise_loss_(average_, val_hidden_, targets, 0, samples, false).item<double>();
  return {{"monitor", loss}, {"noise_mse", loss}};
}

}  // namespace cp
