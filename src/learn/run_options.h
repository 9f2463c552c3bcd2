#pragma once
// In:  configs/*.yaml, flags, key=value overrides (each field is declared once, here and in the designs' files).
// Out: what every training run has: where it reads and writes, how a stage is trained, the action head.
// Not here: what belongs to one design (train_config.h, published_config.h), reading YAML (core/options.h).

#include <cstdint>
#include <string>

#include "data/augment.h"

namespace cp {

// Where a run reads and writes, and what its samples are.
struct RunOptions {
  std::string design = "nano";
  std::string data = "../shared/data/levir-mini";
  std::string vision = "models/nano/vision";
  std::string out = "runs/nano";
  std::string from, first_stage;
  std::string cache = "runs/cache";
  std::string name = "nano";
  std::uint64_t seed = 0;
  std::uint64_t view_seed = 0;
  int threads = 0;
  int views = 16;
  int save_every = 0;
  int keep = 2;
  AugmentOptions augment;

  template <class V>
  void fields(V& v) {
    v("design", design, "nano | published: which model is trained");
    v("data", data, "folder in LEVIR-CC layout with masks");
    v("vision", vision, "frozen vision encoder: a folder with config.json and model.safetensors");
    v("out", out, "run folder");
    v("from", from, "run, checkpoint or model folder whose weights and vocabulary this run starts from; empty = none");
    v("first_stage", first_stage, "with from: the stages before it are not run again; empty = all are");
    v("cache", cache, "folder of the feature cache");
    v("name", name, "name in the model card");
    v("seed", seed, "seed of everything that is trained");
    v("view_seed", view_seed, "seed of the augmented views (kept apart so that runs share one feature cache)");
    v("threads", threads, "0 = all cores");
    v("views", views, "augmented views of each training pair; the first 8 are pure turns and mirrors");
    v("save_every", save_every, "updates between checkpoints besides each epoch's end; 0 = only there");
    v("keep", keep, "checkpoints kept besides the best (at least 2)");
    v("augment", augment, "");
  }
};

// One stretch of training: AdamW, linear warm-up, cosine decay.
struct StageOptions {
  int epochs = 1;
  int batch_size = 16;
  int accumulate = 1;           // micro-batches of batch_size summed into one update
  double learning_rate = 1e-3;  // peak
  int warmup_steps = 30;
  double final_share = 0.01;  // of the peak rate, kept at the end of the cosine
  double weight_decay = 0.02;
  double beta2 = 0.999;
  double clip = 1.0;  // joint gradient norm

  template <class V>
  void fields(V& v) {
    v("epochs", epochs, "passes over the training pairs");
    v("batch_size", batch_size, "samples in a batch");
    v("accumulate", accumulate, "batches summed into one update");
    v("learning_rate", learning_rate, "peak learning rate of AdamW");
    v("warmup_steps", warmup_steps, "updates of linear warm-up");
    v("final_share", final_share, "share of the peak rate that the cosine ends on");
    v("weight_decay", weight_decay, "decoupled weight decay");
    v("beta2", beta2, "AdamW's second moment decay");
    v("clip", clip, "largest joint gradient norm");
  }
};

struct HeadOptions : StageOptions {
  std::string kind = "diffusion";
  std::string condition = "visual_attention";
  std::string evidence = "hidden+map";  // of the condition visual_grid
  std::string schedule = "linear";
  std::string sampler = "dpmpp_2m";
  std::string spacing = "quadratic";
  int steps = 10;
  int samples = 64;
  int draws = 8;  // (t, noise) draws for each condition and batch
  double dropout = 0.1;
  double ema = 0.99;
  double snap_sigma = 0.3;
  double density_weight = 0;  // of the negative log density of the target beside a denoiser's loss (visual_grid)
  double map_noise = 1;       // scale of the random gain (sd 0.15) and shift (sd 0.3) of the change map in training
  std::string target = "largest";
  bool calibrate = true;

  template <class V>
  void fields(V& v) {
    StageOptions::fields(v);
    v("kind", kind, "diffusion | flow | regression | heatmap | token (see caption.actions)");
    v("condition", condition, "none | last_token | pooled | visual_attention | queries | visual_grid");
    v("evidence", evidence, "what visual_grid reads: hidden | map | hidden+map");
    v("schedule", schedule, "noise schedule: linear | squared_cosine");
    v("sampler", sampler, "ddpm | ddim | dpmpp_2m; of a flow: euler | midpoint");
    v("spacing", spacing, "leading | trailing | linspace | quadratic | log_snr");
    v("steps", steps, "denoising steps of an answer");
    v("samples", samples, "draws of an answer");
    v("draws", draws, "(time, noise) draws for each condition in training");
    v("dropout", dropout, "in the denoiser");
    v("ema", ema, "decay of the averaged weights that are saved");
    v("snap_sigma", snap_sigma, "width of the snap to the change map, 0 = off");
    v("density_weight", density_weight, "weight of the target's negative log density beside a denoiser's loss");
    v("map_noise", map_noise, "scale of the random gain and shift of the change map in training; 0 = none");
    v("target", target, "largest | union | centroid");
    v("calibrate", calibrate,
      "calibrate the regions of the samples, by a head for each fold (nano); else regions are the change map's");
  }
};

// Whether the head's condition reads the last hidden states of the visual positions.
inline bool reads_grid(const HeadOptions& head) {
  return head.condition == "pooled" || head.condition == "visual_attention" ||
         (head.condition == "visual_grid" && head.evidence != "map");
}

// Whether it reads the change map and flag.
inline bool reads_map(const HeadOptions& head) { return head.condition == "visual_grid" && head.evidence != "hidden"; }

}  // namespace cp
