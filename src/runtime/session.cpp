#include "runtime/session.h"

#include <algorithm>
#include <chrono>
#include <cmath>
#include <limits>

#include <fmt/format.h>

#include "core/thread_pool.h"
#include "runtime/model_parts.h"

namespace cp {

namespace {

constexpr int kMostSamples = 4096, kMostBeams = 64, kMostNewTokens = 1024;
constexpr int kLeadingLogits = 16;  // beyond those that a search takes: some may be suppressed

// Milliseconds since the last call.
class Clock {
 public:
  double lap() {
    const auto now = std::chrono::steady_clock::now();
    const double ms = std::chrono::duration<double, std::milli>(now - last_).count();
    last_ = now;
    return ms;
  }

 private:
  std::chrono::steady_clock::time_point last_ = std::chrono::steady_clock::now();
};

bool all_finite(std::span<const float> x) {
  return std::all_of(x.begin(), x.end(), [](float v) { return std::isfinite(v); });
}

void check_finite(std::span<const float> x, const std::string& file, const char* what) {
  if (!all_finite(x))
    throw UserError(ErrorKind::numeric, file, what,
                    "The weights are damaged or the training diverged: take another checkpoint.");
}

void check_images(const Image& before, const Image& after) {
  CP_CHECK(before.channels == 3 && after.channels == 3, "Session::answer: images are not RGB");
  if (before.width != after.width || before.height != after.height)
    throw UserError(ErrorKind::data, "before and after",
                    fmt::format("wanted two images of one size, found before {} x {} and after {} x {}", before.width,
                                before.height, after.width, after.height),
                    "Crop or resample both to the same ground extent.");
  if (before.width < 1 || before.height < 1)
    throw UserError(ErrorKind::data, "before and after", "the images are empty", "");
}

}  // namespace

Session::Session(ModelManifest manifest, const std::filesystem::path& folder, VisionPrecision precision,
                 std::future<LanguageModel> language)
    : manifest_(std::move(manifest)),
      vision_(VisionEncoder::load(part_path(folder, manifest_.vision.path), manifest_.vision.kind, precision)),
      preprocess_(load_preprocess(part_path(folder, manifest_.vision.path), vision_.shape().size)),
      language_(language.get()),
      tokenizer_(load_tokenizer(manifest_, part_path(folder, manifest_.language.path), language_.config())),
      fusion_(load_fusion(manifest_, folder, vision_, language_.hidden())),
      head_(load_head(manifest_, folder, language_.hidden())),
      sampling_(head_sampling(manifest_, (folder / kManifestFile).string())) {}

Session Session::open(const std::filesystem::path& folder, const SessionOptions& options) {
  Clock clock;
  ModelManifest manifest = read_manifest(folder);
  if (!options.sampler.empty()) manifest.head.sampler = options.sampler;
  if (!options.spacing.empty()) manifest.head.spacing = options.spacing;
  if (options.steps > 0) manifest.head.steps = options.steps;
  check_supported(manifest, (folder / kManifestFile).string());
  if (options.verify_hashes) verify_files(folder, manifest);
  // The two large parts at once. What is wrong with the vision encoder is still said first: it is waited for first.
  std::future<LanguageModel> language =
      std::async(usable_processors() > 1 ? std::launch::async : std::launch::deferred,
                 [manifest, folder, products = options.exact ? Products::exact : Products::fast] {
                   return load_language(manifest, folder, products);
                 });
  Session s(std::move(manifest), folder, options.vision, std::move(language));

  s.end_token_ = s.tokenizer_.control_id(kEndToken);
  if (s.manifest_.head.kind == "token") s.token_head_.emplace(s.tokenizer_, s.manifest_.head.thought);
  for (int id = 0; id < s.language_.config().vocab_size; ++id)
    s.suppressed_.push_back(id >= s.tokenizer_.size() || (s.tokenizer_.is_control(id) && id != s.end_token_));
  s.load_ms_ = clock.lap();
  return s;
}

std::vector<float> Session::prompt_embeddings(const Prompt& prompt, std::span<const float> visual) const {
  const std::size_t d = static_cast<std::size_t>(language_.hidden());
  CP_CHECK(visual.size() == static_cast<std::size_t>(prompt.visual_count) * d,
           "prompt_embeddings: visual is not N x D");
  std::vector<float> x = language_.embed(prompt.ids);
  std::copy(visual.begin(), visual.end(),
            x.begin() + static_cast<std::ptrdiff_t>(static_cast<std::size_t>(prompt.visual_begin) * d));
  return x;
}

void Session::check_options(const AnswerOptions& o) const {
  const auto within = [](const char* name, int value, int most) {
    if (value < 0 || value > most)
      throw UserError(ErrorKind::usage, name,
                      fmt::format("wanted 1 to {}, or 0 for the model's own, found {}", most, value), "");
  };
  within("num-samples", o.num_samples, kMostSamples);
  within("beams", o.beams, kMostBeams);
  within("max-new-tokens", o.max_new_tokens, kMostNewTokens);
  if (!(o.temperature >= 0))
    throw UserError(ErrorKind::usage, "temperature", fmt::format("wanted 0 or more, found {}", o.temperature), "");
  SamplingOptions draw;
  draw.top_k = o.top_k;
  draw.top_p = o.top_p;
  draw.repetition_penalty = o.repetition_penalty;
  check_sampling(draw);
}

Prompt Session::make_prompt(const AnswerOptions& options, const std::string& language) const {
  // A model of the plain template reads the languages that it has an instruction in; for another one it is asked in
  // English.
  const bool own = !options.instruction.empty() && (is_chat() || manifest_.default_instruction.count(language) != 0);
  const std::string& text = own ? options.instruction : manifest_.default_instruction.at("en");
  const Prompt prompt = cp::make_prompt(manifest_, tokenizer_, text);
  const int most =
      language_.config().max_position_embeddings - std::max(options.max_new_tokens, manifest_.decoding.max_new_tokens);
  if (static_cast<int>(prompt.ids.size()) > most)
    throw UserError(ErrorKind::usage, "instruction",
                    fmt::format("the prompt has {} tokens, the model reads {}", prompt.ids.size(), most),
                    "Give a shorter instruction.");
  return prompt;
}

// Searched for, or drawn when a temperature is asked for.
std::vector<Answer::Caption> Session::decode(const Trace& trace, LanguageModel::Cache& cache,
                                             const AnswerOptions& options) const {
  const int beams = options.beams > 0 ? options.beams : manifest_.decoding.beams;
  const int most = options.max_new_tokens > 0 ? options.max_new_tokens : manifest_.decoding.max_new_tokens;
  // A search looks at the best only; a draw may take any token.
  const int leading = options.temperature > 0 ? 0 : kLeadingLogits + 2 * beams;
  const BeamStep step = [&](std::span<const int> tokens, std::span<const int> parents) {
    return language_.logits(language_.step(tokens, parents, cache), leading, cache);
  };
  std::vector<Hypothesis> found;
  if (options.temperature > 0) {
    const SamplingOptions draw{options.temperature, options.top_k, options.top_p, options.repetition_penalty, most,
                               end_token_,          options.seed,  suppressed_};
    found = sample_texts(trace.logits, step, trace.prompt.ids, beams, draw);
  } else {
    BeamOptions search;
    search.beams = beams;
    search.max_new_tokens = most;
    search.length_penalty = manifest_.decoding.length_penalty;
    search.end_token = end_token_;
    search.repetition_penalty = options.repetition_penalty;
    search.prompt = trace.prompt.ids;
    search.suppressed = suppressed_;
    found = beam_search(trace.logits, step, search);
  }
  std::vector<Answer::Caption> captions;
  for (const Hypothesis& h : found)
    captions.push_back(
        {is_chat() ? chat_answer_text(tokenizer_, h.tokens) : caption_text(tokenizer_, h.tokens), h.score});
  return captions;
}

bool Session::has_flag() const { return manifest_.fusion.map_size > 0; }

bool Session::is_chat() const { return manifest_.template_name != kPlainTemplate; }

// Visual embeddings; where the fusion has them also map, flag and what follows from them.
void Session::look(Trace& trace, Answer& answer, RawAction& raw) const {
  const auto judge = [&](std::vector<float> map, float flag) {
    check_finite({&flag, 1}, manifest_.fusion.file, "the change flag is not a finite number");
    answer.map = std::move(map);
    answer.flag = flag;
    answer.changed = !answer.identical && flag > manifest_.flag.threshold;
    raw.p_zoom = answer.identical ? 0 : 1 / (1 + std::exp(-(flag - manifest_.flag.bias) / manifest_.flag.temperature));
  };
  if (const Fusion* strides = std::get_if<Fusion>(&fusion_)) {
    Fusion::Output seen = strides->forward(trace.before.strides, trace.after.strides);
    const Fusion::Visual visual = strides->project(trace.before.strides, trace.after.strides, seen);
    judge(std::move(seen.map), seen.flag);
    answer.concepts = visual.concepts;
    trace.embeddings = strides->embeddings(visual, answer.changed);
    return;
  }
  const PairFusion& rows = std::get<PairFusion>(fusion_);
  PairFusion::Output seen = has_flag() ? rows.forward(trace.before.patches, trace.after.patches)
                                       : rows.forward(trace.before.pooled, trace.after.pooled);
  if (has_flag()) judge(std::move(seen.map), seen.flag);
  trace.embeddings = std::move(seen.embeddings);
}

// Last hidden states of the head's readout tokens, which follow the prompt; none for heads without such tokens.
std::vector<float> Session::read_out(const Trace& trace) const {
  const std::vector<float>& tokens = head_.readout();
  if (tokens.empty()) return {};
  std::vector<float> rows = prompt_embeddings(trace.prompt, trace.embeddings);
  rows.insert(rows.end(), tokens.begin(), tokens.end());
  LanguageModel::Cache cache;
  const std::vector<float> hidden = language_.prefill(rows, cache);
  return {hidden.end() - static_cast<std::ptrdiff_t>(tokens.size()), hidden.end()};
}

// (N 3), by the action head, or written by the language model.
std::vector<float> Session::draw_samples(const AnswerOptions& options, int count, bool keep_steps, Trace& trace,
                                         Answer& answer) const {
  if (token_head_) {
    const std::string language = manifest_.default_instruction.count(answer.language) ? answer.language : "en";
    const Prompt prompt = cp::make_prompt(manifest_, tokenizer_, action_instruction(language, manifest_.head.thought));
    TokenHead::Written written =
        token_head_->write(language_, prompt_embeddings(prompt, trace.embeddings), suppressed_, count, options.seed);
    answer.thought = caption_text(tokenizer_, written.thought);
    return std::move(written.samples);
  }
  HeadInput input{trace.hidden, trace.prompt.visual_begin, {}, 0, {}};
  if (has_flag()) {
    input.map = answer.map;
    input.flag = (answer.flag - manifest_.flag.bias) / manifest_.flag.temperature;
  }
  const std::vector<float> read = read_out(trace);
  input.read = read;
  trace.condition = head_.condition(input);
  trace.noise = start_noise(options.seed, count);
  StepObserver keep;
  if (keep_steps) keep = [&](int, std::span<const float> x) { trace.steps.emplace_back(x.begin(), x.end()); };
  return head_.samples(trace.condition, sampling_, trace.noise, options.seed, keep);
}

// Samples, and what they say; without a change flag also whether there is a change, by the samples' a.
void Session::act(const AnswerOptions& options, bool keep_steps, Trace& trace, Answer& answer, RawAction& raw) const {
  const int count = options.num_samples > 0 ? options.num_samples : manifest_.head.samples;
  answer.samples = draw_samples(options, count, keep_steps, trace, answer);
  answer.region_calibrated = calibrated_for(count);
  if (!all_finite(answer.samples) || !all_finite(answer.map)) {
    constexpr std::size_t kCells = PairFusion::kMapSide * PairFusion::kMapSide;
    answer.abstained = kNotFinite;
    answer.weights.assign(kCells, 1.0 / kCells);  // every place is as likely as any other
    add_region(answer);
    return;
  }
  if (!has_flag()) {
    int zooms = 0;
    for (std::size_t i = 2; i < answer.samples.size(); i += 3) zooms += answer.samples[i] > 0;
    raw.p_zoom = answer.identical ? 0 : static_cast<double>(zooms) / count;
    answer.changed = raw.p_zoom > 0.5;
    answer.map = density_map(answer.samples, PairFusion::kMapSide);
  }
  point(trace, answer, raw);
}

// The point, the changes and the region of finite samples.
void Session::point(Trace& trace, Answer& answer, RawAction& raw) const {
  answer.modes = find_modes(answer.samples);
  trace.point = answer.modes.front().point;
  for (Mode& mode : answer.modes) mode.point = snap_to_map(mode.point, answer.map, manifest_.head.snap_sigma);
  raw.x = (answer.modes.front().point.x + 1) / 2;
  raw.y = (answer.modes.front().point.y + 1) / 2;
  raw.a = answer.changed ? 1 : 0;
  if (answer.changed) answer.changes = rank_changes(answer.modes, answer.samples, answer.map);

  answer.weights = place_weights(answer.samples, answer.map, manifest_.region.map_share);
  add_region(answer);
  if (answer.changed && answer.region.share > manifest_.abstain.area) answer.abstained = kRegionArea;
}

// The regions of the answer's weights; all of the image where the samples say nothing.
void Session::add_region(Answer& answer) const {
  const auto threshold = [&](double calibrated) {
    return answer.abstained == kNotFinite ? std::numeric_limits<double>::infinity() : calibrated;
  };
  answer.region = find_region(answer.weights, threshold(manifest_.region.threshold()), manifest_.region.level);
  std::vector<double> thresholds;
  for (const auto& level : manifest_.region.levels) thresholds.push_back(threshold(level.threshold));
  const std::vector<int> cells = region_cells(answer.weights, thresholds);
  for (std::size_t i = 0; i < cells.size(); ++i)
    answer.levels.push_back({manifest_.region.levels[i].level,
                             static_cast<double>(cells[i]) / static_cast<double>(answer.weights.size()), cells[i]});
}

// Thresholds hold for the sampler and the number of samples that they were found with.
bool Session::calibrated_for(int samples) const {
  const ModelManifest::Head& head = manifest_.head;
  const auto& with = manifest_.region.sampler;
  return manifest_.region.n > 0 &&
         (!with || *with == ModelManifest::Region::Sampler{head.sampler, head.steps, head.spacing, samples});
}

Answer Session::answer(const Image& before, const Image& after, const AnswerOptions& options, Trace* trace_out) const {
  check_images(before, after);
  check_options(options);
  const std::string asked = options.instruction.empty() ? "en" : detect_language(options.instruction);
  Answer answer;
  Trace trace;
  trace.prompt = make_prompt(options, asked);
  Clock clock, whole;
  answer.times_ms["load"] = load_ms_;
  answer.identical = before == after;
  const std::vector<float> pixels_before = prepare(before), pixels_after = prepare(after);
  answer.times_ms["preprocess"] = clock.lap();

  if (answer.identical) {
    trace.before = trace.after = vision_.forward(pixels_before);
  } else {
    std::array<VisionFeatures, 2> seen = vision_.forward_pair(pixels_before, pixels_after);
    trace.before = std::move(seen[0]);
    trace.after = std::move(seen[1]);
  }
  answer.times_ms["vision"] = clock.lap();

  RawAction raw;
  look(trace, answer, raw);
  answer.times_ms["fusion"] = clock.lap();

  LanguageModel::Cache cache;
  trace.hidden = language_.prefill(prompt_embeddings(trace.prompt, trace.embeddings), cache);
  trace.logits = language_.logits(std::span(trace.hidden).last(static_cast<std::size_t>(language_.hidden())));
  check_finite(trace.logits, manifest_.language.path, "the language model's logits are not finite numbers");
  if (answer.changed || (!has_flag() && !answer.identical)) {
    answer.captions = decode(trace, cache, options);
    answer.language = detect_language(answer.captions.front().text);
  } else {
    answer.language = manifest_.no_change_caption.count(asked) ? asked : "en";
    answer.captions = {{manifest_.no_change_caption.at(answer.language), 0}};
  }
  answer.caption = answer.captions.front().text;
  answer.times_ms["language"] = clock.lap();

  act(options, trace_out != nullptr, trace, answer, raw);
  if (is_blank(before) || is_blank(after)) answer.abstained = kBlankImage;
  if (!answer.abstained.empty()) raw.a = 0;
  answer.action = guard_action(raw);
  if (answer.action.unsafe) answer.abstained = kNotFinite;
  answer.times_ms["head"] = clock.lap();
  answer.times_ms["total"] = whole.lap();
  if (trace_out) *trace_out = std::move(trace);
  return answer;
}

}  // namespace cp
