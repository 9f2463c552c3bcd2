#pragma once
// In:  a model folder; two images of one place and an instruction.
// Out: one answer: caption, action with its region, list of changes, times.
// Not here: files of images (image/), drawing and pages (report/), flags (cli/).

#include <cstdint>
#include <filesystem>
#include <future>
#include <map>
#include <optional>
#include <string>
#include <variant>
#include <vector>

#include "formats/model_folder.h"
#include "image/preprocess.h"
#include "runtime/abstain.h"
#include "runtime/action_head.h"
#include "runtime/beam.h"
#include "runtime/change_list.h"
#include "runtime/fusion.h"
#include "runtime/guard.h"
#include "runtime/language_model.h"
#include "runtime/modes.h"
#include "runtime/pair_fusion.h"
#include "runtime/region.h"
#include "runtime/vision.h"
#include "runtime/sampling.h"
#include "runtime/token_head.h"
#include "text/chat_template.h"
#include "text/template.h"

namespace cp {

struct SessionOptions {
  bool verify_hashes = true;  // compare the files with the sha256 in changepilot.json
  bool exact = false;         // products with NF4 and int8 weights in float32 (runtime/projection.h)
  VisionPrecision vision = VisionPrecision::float32;  // of CLIP
  // Of the action head, instead of what changepilot.json says; empty or 0: as it says. Regions are then not calibrated.
  std::string sampler, spacing;
  int steps = 0;
};

// Zero or empty means: what changepilot.json says.
struct AnswerOptions {
  std::string instruction;
  int num_samples = 0;
  std::uint64_t seed = 0;
  int beams = 0;  // captions that are searched for, or drawn
  int max_new_tokens = 0;
  double temperature = 0;  // 0: beam search; above: captions are drawn, ranked by their mean log-probability
  int top_k = 0;
  double top_p = 1;
  double repetition_penalty = 1;
};

struct Answer {
  using Action = cp::Action;
  struct Caption {
    std::string text;
    double score = 0;  // length-normalised log-probability; 0 for the fixed sentence
  };
  struct RegionLevel {
    double level = 0, share = 0;  // promised coverage, share of the image's area
    int cells = 0;                // the first ones by falling weight
  };

  std::string caption;
  std::string language;  // of the caption: "en" or "zh"
  Action action;
  std::string abstained;            // why it hovers whatever it found, see abstain.h; empty: it does not
  Region region;                    // at the manifest's level
  std::vector<RegionLevel> levels;  // at all of its levels, rising
  bool region_calibrated = false;   // for the samples that were drawn; else the levels are promises of others
  std::vector<Change> changes;      // where most samples point first; none when the pair is unchanged
  std::vector<Caption> captions;    // n best, `caption` first
  bool changed = false;
  bool identical = false;                  // the images are equal pixel by pixel: unchanged by rule
  float flag = 0;                          // logit; 0 when the action head decides
  std::vector<float> map;                  // (64 64) logits: of change, or of the samples' density
  std::vector<float> samples;              // (N 3) of the action head, scaled to [-1, 1]
  std::vector<Mode> modes;                 // of the samples, densest first, snapped; none when they are not finite
  std::vector<double> weights;             // (64 64) of the places, summing to 1; none when they are not finite
  std::vector<float> concepts;             // (C) probabilities, words in the manifest
  std::string thought;                     // what a token head wrote before the action; may be empty
  std::map<std::string, double> times_ms;  // load, preprocess, vision, fusion, language, head, total (without load)
};

// Everything in between, for parity tests and for people who debug a model.
struct Trace {
  VisionFeatures before, after;
  std::vector<float> embeddings;  // (N D) visual
  Prompt prompt;
  std::vector<float> hidden;              // (T D) last hidden states of the prompt
  std::vector<float> logits;              // (V) at the prompt's last position
  ActionHead::Condition condition;        // what the head made of the prompt
  std::vector<float> noise;               // (N 3) start noise
  std::vector<std::vector<float>> steps;  // (N 3) the samples after each denoising step; the last are the answer's
  Point point;                            // (u, v) of the densest mode, before the snap
};

class Session {
 public:
  // Throws UserError(model) for a folder that is incomplete, damaged, or of a kind this build does not run.
  static Session open(const std::filesystem::path& folder, const SessionOptions& options = {});

  // Images (H W 3) of one size. Where the numbers do not carry an action the answer abstains. Safe to call from several
  // threads at once. Throws UserError(data) when the sizes differ, UserError(usage) for an instruction that is too long
  // or options out of range.
  Answer answer(const Image& before, const Image& after, const AnswerOptions& options = {},
                Trace* trace = nullptr) const;

  const ModelManifest& manifest() const { return manifest_; }
  const BpeTokenizer& tokenizer() const { return tokenizer_; }
  const LanguageModel& language() const { return language_; }
  const ActionHead& head() const { return head_; }

  std::vector<float> prepare(const Image& image) const { return preprocess(image, preprocess_); }  // (3 S S)
  // (T D): the prompt's token embeddings with the visual ones (N D) in place.
  std::vector<float> prompt_embeddings(const Prompt& prompt, std::span<const float> visual) const;

 private:
  Session(ModelManifest manifest, const std::filesystem::path& folder, VisionPrecision precision,
          std::future<LanguageModel> language);

  void check_options(const AnswerOptions& options) const;
  Prompt make_prompt(const AnswerOptions& options, const std::string& language) const;
  std::vector<Answer::Caption> decode(const Trace& trace, LanguageModel::Cache& cache,
                                      const AnswerOptions& options) const;
  bool has_flag() const;  // a change flag and map; else the action head decides
  bool is_chat() const;   // the prompt is a chat turn; else the plain template
  void look(Trace& trace, Answer& answer, RawAction& raw) const;
  std::vector<float> read_out(const Trace& trace) const;
  std::vector<float> draw_samples(const AnswerOptions& options, int count, bool keep_steps, Trace& trace,
                                  Answer& answer) const;
  void act(const AnswerOptions& options, bool keep_steps, Trace& trace, Answer& answer, RawAction& raw) const;
  void point(Trace& trace, Answer& answer, RawAction& raw) const;
  void add_region(Answer& answer) const;
  bool calibrated_for(int samples) const;

  ModelManifest manifest_;
  VisionEncoder vision_;
  Preprocess preprocess_;
  LanguageModel language_;
  BpeTokenizer tokenizer_;
  std::variant<Fusion, PairFusion> fusion_;
  ActionHead head_;
  ActionHead::Sampling sampling_;
  std::optional<TokenHead> token_head_;  // of a head of kind token
  std::vector<bool> suppressed_;         // (V)
  int end_token_ = 0;
  double load_ms_ = 0;
};

}  // namespace cp
