// Head stage: the denoiser on cached hidden states.
#include <numeric>

#include "diffusion/schedule.h"
#include "learn/stages.h"

namespace cp {
namespace {

constexpr std::size_t kCacheBatch = 32;

// Hidden states of every (pair, view) under the frozen networks, with the true flag and the default instruction.
HiddenBatch cache_hidden(const std::vector<TrainPair>& pairs, const FeatureCache& features, const Prompt& prompt,
                         const FusionNet& fusion, const Projector& projector, const LanguageNet& language) {
  at::NoGradGuard no_grad;
  std::vector<Pick> picks;
  for (std::size_t i = 0; i < pairs.size(); ++i)
    for (std::size_t v = 0; v < pairs[i].views.size(); ++v) picks.push_back({i, v});
  std::vector<at::Tensor> grid, last;
  for (std::size_t i = 0; i < picks.size(); i += kCacheBatch) {
    const std::vector<Pick> batch(picks.begin() + static_cast<std::ptrdiff_t>(i),
                                  picks.begin() + static_cast<std::ptrdiff_t>(std::min(i + kCacheBatch, picks.size())));
    std::vector<std::int64_t> changed;
    for (const Pick& pick : batch) changed.push_back(pairs[pick.pair].record.changeflag);
    const FeatureBatch a = gather_features(features, batch, 0), b = gather_features(features, batch, 1);
    const ProjectorOut projected = projector.forward(a, b, fusion.forward(a, b, false), false);
    const at::Tensor visual =
        projector.embeddings(projected.grid, at::tensor(changed, at::kLong), projected.concepts.sigmoid());
    KeyValues cache;
    const at::Tensor hidden = language.forward(prompt_embeddings(language, prompt, visual), cache, false);
    grid.push_back(hidden.slice(1, prompt.visual_begin, prompt.visual_begin + kGridTokens).clone());
    last.push_back(hidden.select(1, -1).clone());
  }
  if (grid.empty()) return {};
  return {at::cat(grid), at::cat(last)};
}

}  // namespace

HeadStage::HeadStage(const TrainConfig& config, const TrainData& data, const FusionNet& fusion,
                     const Projector& projector, const LanguageNet& language, HeadNet& head, HeadNet& average)
    : config_(config), data_(data), head_(head), average_(average) {
  const Prompt prompt = plain_prompt(data.tokenizer, instruction_templates("en").front(), kVisualTokens);
  train_ = cache_hidden(data.train, data.train_features, prompt, fusion, projector, language);
  val_ = cache_hidden(data.val, data.val_features, prompt, fusion, projector, language);
  alphas_ = at::tensor(accumulated_alphas(parse_schedule(config.head.schedule))).to(at::kFloat);
}

void HeadStage::add_parameters(AdamW& optimiser) { optimiser.add_group(head_.params, 1.0, "head."); }

std::vector<std::size_t> HeadStage::order(int epoch) const {
  // An epoch is every pair in every view: sample = pair * views + view, the row of the cached hidden states.
  std::vector<std::size_t> order(data_.train.size() * static_cast<std::size_t>(config_.views));
  std::iota(order.begin(), order.end(), 0);
  Rng(config_.seed, Stream::shuffle, static_cast<std::uint32_t>(epoch), 4).shuffle(order);
  return order;
}

at::Tensor HeadStage::noise_loss(const HeadNet& head, const HiddenBatch& hidden,
                                 const std::vector<ActionTarget>& targets, Stream stream_time, Stream stream_noise,
                                 int epoch, std::span<const std::size_t> samples, bool training) {
  const int draws = config_.head.draws;
  const auto rows = static_cast<std::int64_t>(targets.size()) * draws;
  const at::Tensor clean = at::empty({rows, 3}), weight = at::empty({rows, 3}), noise = at::empty({rows, 3});
  const at::Tensor t = at::empty({rows}, at::kLong);
  const auto steps = static_cast<std::uint64_t>(alphas_.size(0));
  std::int64_t row = 0;
  for (std::size_t i = 0; i < targets.size(); ++i) {
    Rng time(config_.seed, stream_time, static_cast<std::uint32_t>(epoch), samples[i]);
    Rng normal(config_.seed, stream_noise, static_cast<std::uint32_t>(epoch), samples[i]);
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
  const at::Tensor eps = head.denoise(noisy, t, c, config_.head.dropout, training);
  return ((eps - noise).pow(2) * weight).sum() / weight.sum().clamp_min(1);
}

at::Tensor HeadStage::loss(std::span<const std::size_t> batch, int epoch, std::map<std::string, double>&) {
  std::vector<std::int64_t> rows;
  std::vector<ActionTarget> targets;
  const auto views = static_cast<std::size_t>(config_.views);
  for (const std::size_t sample : batch) {
    rows.push_back(static_cast<std::int64_t>(sample));
    targets.push_back(data_.train[sample / views].targets[sample % views]);
  }
  const at::Tensor index = at::tensor(rows, at::kLong);
  const HiddenBatch hidden = {train_.grid.index_select(0, index), train_.last.index_select(0, index)};
  return noise_loss(head_, hidden, targets, Stream::diffusion_time, Stream::diffusion_noise, epoch, batch, true);
}

void HeadStage::after_step() {
  at::NoGradGuard no_grad;
  for (const std::string& name : head_.params.names())
    average_.params[name].lerp_(head_.params[name], 1 - config_.head.ema);
}

OrderedJson HeadStage::validate() {
  if (data_.val.empty()) return {{"monitor", nullptr}};
  at::NoGradGuard no_grad;
  std::vector<ActionTarget> targets;
  std::vector<std::size_t> samples;
  for (std::size_t i = 0; i < data_.val.size(); ++i) {
    targets.push_back(data_.val[i].targets[0]);
    samples.push_back(1000000 + i);  // other draws than any training pair's
  }
  const double loss =
      noise_loss(average_, val_, targets, Stream::diffusion_time, Stream::diffusion_noise, 0, samples, false)
          .item<double>();
  return {{"monitor", loss}, {"noise_mse", loss}};
}

}  // namespace cp
