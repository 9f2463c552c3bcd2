#include "runtime/session.h"

#include <algorithm>
#include <chrono>
#include <cmath>

#include <fmt/format.h>

#include "diffusion/schedule.h"
#include "runtime/preprocessor_config.h"

namespace cp {

namespace {

constexpr int kMostSamples = 4096, kMostBeams = 64, kMostNewTokens = 1024;
constexpr const char* kEndToken = "<|im_end|>";

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

// The shapes that this build computes are those of docs/nano.md; a manifest that says otherwise is refused, not guessed
// at.
void check_supported(const ModelManifest& m, const std::string& where) {
  const auto want = [&](bool ok, const char* field, const std::string& wanted) {
    if (!ok)
      throw UserError(ErrorKind::model, where, fmt::format("\"{}\": this version runs {} only", field, wanted),
                      "Use a model that it can run, for example models/nano.");
  };
  want(m.vision.kind == "efficientnet_lite", "vision.kind", "efficientnet_lite");
  want(m.fusion.kind == "patch", "fusion.kind", "patch");
  want(m.fusion.strides == std::vector<int>{32, 16, 8}, "fusion.strides", "[32, 16, 8]");
  want(m.fusion.width == Fusion::kWidth, "fusion.width", "64");
  want(m.fusion.map_size == Fusion::kMapSide, "fusion.map_size", "64");
  want(m.fusion.grid == Fusion::kGrid, "fusion.grid", "4");
  want(m.fusion.token_strides == std::vector<int>{32, 16}, "fusion.token_strides", "[32, 16]");
  want(m.template_name == "plain", "template", "plain");
  want(m.head.kind == "diffusion", "head.kind", "diffusion");
  want(m.default_instruction.count("en") != 0, "default_instruction", "models with an English one");
  want(m.no_change_caption.count("en") != 0, "no_change_caption", "models with an English one");
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

Session::Session(ModelManifest manifest, const std::filesystem::path& folder)
    : manifest_(std::move(manifest)),
      preprocess_(read_preprocess(part_path(folder, manifest_.vision.path) / "preprocessor_config.json")),
      tokenizer_(BpeTokenizer::load(part_path(folder, manifest_.language.path) / "tokenizer.json")),
      vision_(EfficientNetLite::load(part_path(folder, manifest_.vision.path))),
      language_(LanguageModel::load(part_path(folder, manifest_.language.path))),
      fusion_(Fusion::load(SafeTensors::open(part_path(folder, manifest_.fusion.file)), language_.hidden(),
                           static_cast<int>(manifest_.fusion.concepts.size()))),
      head_(ActionHead::load(SafeTensors::open(part_path(folder, manifest_.head.file)), manifest_.head.condition,
                             Fusion::kGrid, language_.hidden())) {}

Session Session::open(const std::filesystem::path& folder, const SessionOptions& options) {
  Clock clock;
  ModelManifest manifest = read_manifest(folder);
  const std::string where = (folder / kManifestFile).string();
  check_supported(manifest, where);
  if (options.verify_hashes) verify_files(folder, manifest);
  Session s(std::move(manifest), folder);

  const int vocabulary = s.language_.config().vocab_size;
  if (s.tokenizer_.size() > vocabulary)
    throw UserError(ErrorKind::model, where,
                    fmt::format("the tokenizer has {} ids, the language model {}", s.tokenizer_.size(), vocabulary),
                    "Put the tokenizer.json that belongs to the language model into its folder.");
  if (s.preprocess_.size != EfficientNetLite::kSize)
    throw UserError(ErrorKind::model, where,
                    fmt::format("wanted images of {} px, found {}", EfficientNetLite::kSize, s.preprocess_.size),
                    "Correct \"size\" in the vision folder's preprocessor_config.json.");
  const ModelManifest::Head& head = s.manifest_.head;
  s.sampling_.alphas = accumulated_alphas(parse_schedule(head.schedule), head.train_steps);
  s.sampling_.timesteps = respace(parse_spacing(head.spacing), head.steps, s.sampling_.alphas);
  s.sampling_.options.kind = parse_sampler(head.sampler);
  s.end_token_ = s.tokenizer_.control_id(kEndToken);
  for (int id = 0; id < vocabulary; ++id)
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
}

Prompt Session::make_prompt(const AnswerOptions& options, const std::string& language) const {
  // The language model knows English only as yet: another language gets the default instruction.
  const bool own = !options.instruction.empty() && language == "en";
  const Prompt prompt =
      plain_prompt(tokenizer_, own ? options.instruction : manifest_.default_instruction.at("en"), Fusion::kVisual);
  const int most =
      language_.config().max_position_embeddings - std::max(options.max_new_tokens, manifest_.decoding.max_new_tokens);
  if (static_cast<int>(prompt.ids.size()) > most)
    throw UserError(ErrorKind::usage, "instruction",
                    fmt::format("the prompt has {} tokens, the model reads {}", prompt.ids.size(), most),
                    "Give a shorter instruction.");
  return prompt;
}

std::vector<Answer::Caption> Session::decode(std::span<const float> logits, LanguageModel::Cache& cache,
                                             const AnswerOptions& options) const {
  BeamOptions search;
  search.beams = options.beams > 0 ? options.beams : manifest_.decoding.beams;
  search.max_new_tokens = options.max_new_tokens > 0 ? options.max_new_tokens : manifest_.decoding.max_new_tokens;
  search.length_penalty = manifest_.decoding.length_penalty;
  search.end_token = end_token_;
  search.suppressed = suppressed_;
  std::vector<float> next;
  const BeamStep step = [&](std::span<const int> tokens, std::span<const int> parents) -> std::span<const float> {
    next = language_.logits(language_.decode(tokens, parents, cache));
    return next;
  };
  std::vector<Answer::Caption> captions;
  for (const Hypothesis& h : beam_search(logits, step, search))
    captions.push_back({caption_text(tokenizer_, h.tokens), h.score});
  return captions;
}

void Session::act(const std::vector<float>& hidden, const AnswerOptions& options, Trace& trace, Answer& answer) const {
  const int count = options.num_samples > 0 ? options.num_samples : manifest_.head.samples;
  trace.condition = head_.condition(hidden, trace.prompt.visual_begin);
  trace.noise = start_noise(options.seed, count);
  answer.samples = head_.samples(trace.condition, sampling_, trace.noise, options.seed);
  trace.point = densest(answer.samples);
  const Point point = snap_to_map(trace.point, answer.map, manifest_.head.snap_sigma);
  answer.action.x = (point.x + 1) / 2;
  answer.action.y = (point.y + 1) / 2;
  answer.action.a = answer.changed ? 1 : 0;
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

  trace.before = vision_.forward(pixels_before);
  trace.after = answer.identical ? trace.before : vision_.forward(pixels_after);
  answer.times_ms["vision"] = clock.lap();

  trace.fusion = fusion_.forward(trace.before, trace.after);
  trace.visual = fusion_.project(trace.before, trace.after, trace.fusion);
  if (!std::isfinite(trace.fusion.flag))
    throw UserError(ErrorKind::numeric, manifest_.fusion.file, "the change flag is not a finite number",
                    "The weights are damaged or the training diverged: take another checkpoint.");
  answer.map = trace.fusion.map;
  answer.flag = trace.fusion.flag;
  answer.concepts = trace.visual.concepts;
  answer.changed = !answer.identical && answer.flag > manifest_.flag.threshold;
  answer.action.p_zoom =
      answer.identical ? 0 : 1 / (1 + std::exp(-(answer.flag - manifest_.flag.bias) / manifest_.flag.temperature));
  if (answer.changed) answer.changes = find_changes(answer.map);
  answer.region = find_region(answer.map, manifest_.region.threshold, manifest_.region.level);
  trace.embeddings = fusion_.embeddings(trace.visual, answer.changed);
  answer.times_ms["fusion"] = clock.lap();

  LanguageModel::Cache cache;
  trace.hidden = language_.prefill(prompt_embeddings(trace.prompt, trace.embeddings), cache);
  trace.logits = language_.logits(std::span(trace.hidden).last(static_cast<std::size_t>(language_.hidden())));
  if (!std::all_of(trace.logits.begin(), trace.logits.end(), [](float v) { return std::isfinite(v); }))
    throw UserError(ErrorKind::numeric, manifest_.language.path, "the language model's logits are not finite numbers",
                    "The weights are damaged or the training diverged: take another checkpoint.");
  answer.language = "en";
  if (answer.changed) {
    answer.captions = decode(trace.logits, cache, options);
  } else {
    if (manifest_.no_change_caption.count(asked)) answer.language = asked;
    answer.captions = {{manifest_.no_change_caption.at(answer.language), 0}};
  }
  answer.caption = answer.captions.front().text;
  answer.times_ms["language"] = clock.lap();

  act(trace.hidden, options, trace, answer);
  answer.times_ms["head"] = clock.lap();
  answer.times_ms["total"] = whole.lap();
  if (trace_out) *trace_out = std::move(trace);
  return answer;
}

}  // namespace cp
