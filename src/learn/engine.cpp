#include "learn/engine.h"

#include <algorithm>

#include "diffusion/sampler.h"
#include "learn/stages.h"
#include "runtime/action_head.h"
#include "runtime/beam.h"
#include "runtime/model_parts.h"
#include "runtime/modes.h"
#include "text/template.h"

namespace cp {
namespace {

FeatureBatch to_batch(const EfficientNetLite::Features& f) {
  const auto tensor = [](const std::vector<float>& values, at::IntArrayRef shape) {
    return at::tensor(values).reshape(shape);
  };
  return {tensor(f.s8, {1, 40, 32, 32}), tensor(f.s16, {1, 112, 16, 16}), tensor(f.s32, {1, 320, 8, 8})};
}

// Keys and values of the beams that go on, in their new order.
KeyValues choose_rows(const KeyValues& cache, std::span<const int> parents) {
  const std::vector<std::int64_t> rows(parents.begin(), parents.end());
  const at::Tensor index = at::tensor(rows, at::kLong);
  KeyValues out;
  for (const auto& [k, v] : cache) out.emplace_back(k.index_select(0, index), v.index_select(0, index));
  return out;
}

std::string decode(const NanoModel& model, const std::vector<float>& first, KeyValues cache) {
  BeamOptions options;
  options.beams = model.manifest.decoding.beams;
  options.length_penalty = model.manifest.decoding.length_penalty;
  options.max_new_tokens = model.manifest.decoding.max_new_tokens;
  options.end_token = model.tokenizer.control_id("<|im_end|>");
  for (int id = 0; id < model.language.config().vocab_size; ++id)
    options.suppressed.push_back(id >= model.tokenizer.size() ||
                                 (model.tokenizer.is_control(id) && id != options.end_token));
  std::vector<float> logits;
  const BeamStep step = [&](std::span<const int> tokens, std::span<const int> parents) -> std::span<const float> {
    cache = choose_rows(cache, parents);
    const std::vector<std::int64_t> ids(tokens.begin(), tokens.end());
    const at::Tensor x = model.language.embed(at::tensor(ids, at::kLong).unsqueeze(1));
    logits = to_floats(model.language.logits(model.language.forward(x, cache, false).squeeze(1)));
    return logits;
  };
  return caption_text(model.tokenizer, beam_search(first, step, options).front().tokens);
}

// Samples of the head by its training network; the deterministic kinds and heatmap go through the runtime's code.
std::vector<float> draw(const HeadNet& head, const HeadNet::Condition& condition, const ActionHead::Sampling& how,
                        std::vector<float> x, std::uint64_t seed) {
  const auto rows = static_cast<std::int64_t>(x.size() / 3);
  const auto tensor = [&](std::span<const float> values) {
    return at::from_blob(const_cast<float*>(values.data()), {1, rows, 3}, at::kFloat);
  };
  const auto give = [](const at::Tensor& values, std::span<float> out) {
    const std::vector<float> result = to_floats(values);
    std::copy(result.begin(), result.end(), out.begin());
  };
  const std::string& kind = head.shape().kind;
  if (kind == "diffusion") {
    const Denoiser denoiser = [&](std::span<const float> noisy, int t, std::span<float> eps) {
      const at::Tensor alpha = at::full({1, rows, 1}, how.alphas[static_cast<std::size_t>(t)], at::kFloat);
      give(head.denoise(tensor(noisy), at::full({1, rows}, t, at::kLong), alpha, condition, 0, false), eps);
    };
    Rng rng(seed, Stream::diffusion_noise);  // only samplers that draw noise on their way read it
    sample(denoiser, how.alphas, how.timesteps, how.options, rng, x);
  } else if (kind == "flow") {
    const Velocity field = [&](std::span<const float> noisy, float t, std::span<float> v) {
      give(head.velocity(tensor(noisy), at::full({1, rows, 1}, t, at::kFloat), condition, 0, false), v);
    };
    sample_flow(field, how.times, how.flow, x);
  } else if (kind == "regression") {
    give(head.regress(condition).unsqueeze(1).expand({1, rows, 3}), x);
  } else {
    const PlacesBatch& p = condition.places;
    const Places places(to_floats(p.evidence), p.spread.item<double>(), p.action_logit.item<double>(),
                        p.action_spread.item<double>());
    Rng rng(seed, Stream::diffusion_noise);
    for (std::size_t i = 0; i < x.size(); i += 3) places.draw(rng, std::span<float, 3>(x.data() + i, 3));
  }
  return x;
}

}  // namespace

EngineAnswer answer_by_training_engine(const NanoModel& model, const EfficientNetLite::Features& before,
                                       const EfficientNetLite::Features& after, std::uint64_t seed) {
  at::NoGradGuard no_grad;
  const ModelManifest& m = model.manifest;
  EngineAnswer out;
  const FeatureBatch a = to_batch(before), b = to_batch(after);
  const FusionOut fused = model.fusion.forward(a, b, false);
  const ProjectorOut projected = model.projector.forward(a, b, fused, false);
  out.map = to_floats(fused.map);
  out.flag = fused.flag.item<float>();
  out.changed = out.flag > m.flag.threshold;
  const at::Tensor visual = model.projector.embeddings(projected.grid, at::full({1}, out.changed ? 1 : 0, at::kLong),
                                                       projected.concepts.sigmoid());
  out.embeddings = to_floats(visual);

  const Prompt prompt = plain_prompt(model.tokenizer, m.default_instruction.at("en"), kVisualTokens);
  KeyValues cache;
  const at::Tensor hidden = model.language.forward(prompt_embeddings(model.language, prompt, visual), cache, false);
  out.hidden = to_floats(hidden);
  out.logits = to_floats(model.language.logits(hidden.select(1, -1)));
  out.caption = out.changed ? decode(model, out.logits, cache) : m.no_change_caption.at("en");

  HiddenBatch read;
  read.grid = hidden.slice(1, prompt.visual_begin, prompt.visual_begin + kGridTokens);
  read.last = hidden.select(1, -1);
  set_map(read, fused.map, (fused.flag - m.flag.bias) / m.flag.temperature);
  if (m.head.condition == "queries")
    read.read = read_out(model.language, prompt, visual, model.average.params["condition.readout"]);
  const HeadNet::Condition condition = model.average.condition(read);
  out.samples =
      draw(model.average, condition, head_sampling(m, kManifestFile), start_noise(seed, m.head.samples), seed);
  const Point p = snap_to_map(find_modes(out.samples).front().point, out.map, m.head.snap_sigma);
  out.x = (p.x + 1) / 2;
  out.y = (p.y + 1) / 2;
  return out;
}

}  // namespace cp
