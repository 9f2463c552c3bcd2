// Head stage: the action head on cached hidden states.
#include <numeric>

#include "diffusion/flow.h"
#include "diffusion/schedule.h"
#include "learn/stages.h"

namespace cp {
namespace {

constexpr double kGainNoise = 0.15, kShiftNoise = 0.3;  // of the change map's logits, as far as unseen scenes differ

// Logits times (1 + gain) plus shift, by row. What the map's components say is left as it was.
void disturb(HiddenBatch& hidden, double scale, std::uint64_t seed, int epoch, std::span<const std::size_t> samples) {
  std::vector<float> gains, shifts;
  for (const std::size_t sample : samples) {
    Rng rng(seed, Stream::augment, static_cast<std::uint32_t>(epoch), sample);
    gains.push_back(static_cast<float>(1 + scale * kGainNoise * rng.normal()));
    shifts.push_back(static_cast<float>(scale * kShiftNoise * rng.normal()));
  }
  const auto by_row = [&](const std::vector<float>& values) {
    return at::tensor(values).view({-1, 1, 1}).to(hidden.map.device());
  };
  hidden.map = hidden.map * by_row(gains) + by_row(shifts);
}

}  // namespace

ActionLoss::ActionLoss(const HeadOptions& options, std::uint64_t seed)
    : options_(options),
      seed_(seed),
      alphas_(at::tensor(accumulated_alphas(parse_schedule(options.schedule))).to(at::kFloat)) {
  if (options.kind == "token")
    throw UserError(ErrorKind::usage, "head.kind", "only the nano design has a token head.",
                    "Use diffusion, flow, regression or heatmap.");
}

at::Tensor ActionLoss::denoising(const HeadNet& head, const HeadNet::Condition& condition, const at::Tensor& clean,
                                 const at::Tensor& weight, int epoch, std::span<const std::size_t> samples,
                                 bool training) const {
  const std::int64_t draws = options_.draws, rows = clean.size(0);
  const bool flow = head.shape().kind == "flow";
  const at::Tensor noise = at::empty({rows, draws, 3}), t = at::empty({rows, draws}, at::kLong);
  const at::Tensor time = at::empty({rows, draws, 1});
  const auto steps = static_cast<std::uint64_t>(alphas_.size(0));
  for (std::int64_t row = 0; row < rows; ++row) {
    const std::size_t sample = samples[static_cast<std::size_t>(row)];
    Rng when(seed_, Stream::diffusion_time, static_cast<std::uint32_t>(epoch), sample);
    Rng normal(seed_, Stream::diffusion_noise, static_cast<std::uint32_t>(epoch), sample);
    for (std::int64_t d = 0; d < draws; ++d) {
      float* n = noise.data_ptr<float>() + (row * draws + d) * 3;
      for (int k = 0; k < 3; ++k) n[k] = static_cast<float>(normal.normal());
      if (flow)
        time.data_ptr<float>()[row * draws + d] = static_cast<float>(draw_flow_time(when));
      else
        t.data_ptr<std::int64_t>()[row * draws + d] = static_cast<std::int64_t>(when.below(steps));
    }
  }
  const at::Device device = weight.device();
  const at::Tensor wanted = clean.unsqueeze(1).to(device), added = noise.to(device), mask = weight.unsqueeze(1);
  at::Tensor error;
  if (flow) {
    const at::Tensor s = time.to(device);
    const at::Tensor noisy = (1 - s) * wanted + s * added;
    error = head.velocity(noisy, s, condition, options_.dropout, training) - (added - wanted);
  } else {
    const at::Tensor alpha = alphas_.index_select(0, t.flatten()).view({rows, draws, 1}).to(device);
    const at::Tensor noisy = alpha.sqrt() * wanted + (1 - alpha).sqrt() * added;
    error = head.denoise(noisy, t.to(device), alpha, condition, options_.dropout, training) - added;
  }
  return (error.square() * mask).sum() / (mask.sum() * static_cast<double>(draws)).clamp_min(1);
}

at::Tensor ActionLoss::operator()(const HeadNet& head, const HiddenBatch& given,
                                  const std::vector<ActionTarget>& targets, int epoch,
                                  std::span<const std::size_t> samples, bool training) const {
  HiddenBatch hidden = given;
  if (training && hidden.map.defined() && options_.map_noise > 0)
    disturb(hidden, options_.map_noise, seed_, epoch, samples);
  const auto rows = static_cast<std::int64_t>(targets.size());
  at::Tensor clean = at::empty({rows, 3}), weight = at::ones({rows, 3});
  for (std::int64_t row = 0; row < rows; ++row) {
    const ActionTarget& target = targets[static_cast<std::size_t>(row)];
    float* c = clean.data_ptr<float>() + row * 3;
    c[0] = static_cast<float>(2 * target.x - 1), c[1] = static_cast<float>(2 * target.y - 1),
    c[2] = target.a ? 1.f : -1.f;
    // Unchanged pairs have no place: x and y are masked out.
    if (!target.has_point) weight.data_ptr<float>()[row * 3] = weight.data_ptr<float>()[row * 3 + 1] = 0.f;
  }
  const at::Device device = hidden.last.device();
  clean = clean.to(device), weight = weight.to(device);
  const HeadNet::Condition condition = head.condition(hidden, options_.dropout, training);
  const std::string& kind = head.shape().kind;
  if (kind == "regression") return ((head.regress(condition) - clean).abs() * weight).sum() / weight.sum().clamp_min(1);
  at::Tensor loss;
  if (head.shape().denoises()) {
    loss = denoising(head, condition, clean, weight, epoch, samples, training);
    if (options_.density_weight == 0 || !condition.places.evidence.defined()) return loss;
  }
  const at::Tensor pointed = weight.slice(1, 0, 1), where = clean.unsqueeze(1);
  const at::Tensor place = -(condition.places.log_density(where) * pointed).sum() / pointed.sum().clamp_min(1);
  const at::Tensor density = place - condition.places.log_action(where).mean();
  return loss.defined() ? loss + options_.density_weight * density : density;
}

HeadStage::HeadStage(const HeadOptions& options, std::uint64_t seed, const Data& data, HeadNet& head, HeadNet& average,
                     std::vector<std::size_t> subset)
    : options_(options),
      seed_(seed),
      data_(data),
      head_(head),
      average_(average),
      subset_(std::move(subset)),
      action_loss_(options, seed) {
  if (!subset_.empty()) return;
  subset_.resize(data_.train.size());
  std::iota(subset_.begin(), subset_.end(), 0);
}

void HeadStage::add_parameters(AdamW& optimiser) { optimiser.add_group(head_.params, 1.0, "head."); }

std::vector<std::size_t> HeadStage::order(int epoch) const {
  // An epoch is every pair in every view: sample = pair * views + view, the row of the cached hidden states.
  const std::size_t views = data_.train.front().views.size();
  std::vector<std::size_t> order;
  for (const std::size_t pair : subset_)
    for (std::size_t view = 0; view < views; ++view) order.push_back(pair * views + view);
  Rng(seed_, Stream::shuffle, static_cast<std::uint32_t>(epoch), 4).shuffle(order);
  return order;
}

at::Tensor HeadStage::loss(std::span<const std::size_t> batch, int epoch, std::map<std::string, double>&) {
  std::vector<std::int64_t> rows;
  std::vector<ActionTarget> targets;
  const std::size_t views = data_.train.front().views.size();
  for (const std::size_t sample : batch) {
    rows.push_back(static_cast<std::int64_t>(sample));
    targets.push_back(data_.train[sample / views].targets[sample % views]);
  }
  HiddenBatch hidden = data_.train_hidden.rows(at::tensor(rows, at::kLong));
  if (data_.readout) hidden.read = data_.readout(hidden.visual, head_.params["condition.readout"]);
  return action_loss_(head_, hidden, targets, epoch, batch, true);
}

void HeadStage::after_step() { average_.params.follow(head_.params, options_.ema); }

OrderedJson HeadStage::validate() {
  if (data_.val.empty()) return {{"monitor", nullptr}};
  at::NoGradGuard no_grad;
  std::vector<ActionTarget> targets;
  std::vector<std::size_t> samples;
  for (std::size_t i = 0; i < data_.val.size(); ++i) {
    targets.push_back(data_.val[i].targets[0]);
    samples.push_back(kValSamples + i);
  }
  HiddenBatch hidden = data_.val_hidden;
  if (data_.readout) hidden.read = data_.readout(hidden.visual, average_.params["condition.readout"]);
  const double loss = action_loss_(average_, hidden, targets, 0, samples, false).item<double>();
  const std::string& kind = average_.shape().kind;
  const char* name = kind == "diffusion"    ? "noise_mse"
                     : kind == "flow"       ? "velocity_mse"
                     : kind == "regression" ? "action_mae"
                                            : "density_nll";
  return {{"monitor", loss}, {name, loss}};
}

}  // namespace cp
