#include "learn/memory_plan.h"

#include <algorithm>
#include <charconv>

#include <fmt/format.h>

#include "core/error.h"
#include "formats/language_tensors.h"
#include "formats/language_weights.h"
#include "learn/allocator.h"
#include "learn/answer_loss.h"
#include "learn/device.h"
#include "learn/published_stages.h"
#include "runtime/action_head.h"
#include "runtime/model_parts.h"

namespace cp {
namespace {

namespace fs = std::filesystem;

constexpr double kFloat = 4;
// What a process takes besides tensors once it trains on the CPU: pages of LibTorch's code that the first step touches,
// oneDNN's kernels. Measured: what plan and peak of eight settings differed by (docs/training.md).
constexpr double kWarmProcess = 40e6;

// A matrix as frozen_linear.h and answer_loss.h hold it.
double held_bytes(const SafeTensors& file, const std::string& prefix, double numbers, double rows, bool becomes_nf4) {
  Storage storage = storage_of(file, prefix);
  if (storage == Storage::dense && becomes_nf4) storage = Storage::nf4;
  if (storage == Storage::nf4) return numbers / 2 + numbers / 64 * kFloat;
  if (storage == Storage::int8) return numbers + rows * kFloat;
  const DType dtype = file.get(prefix + ".weight", {-1, -1}).dtype;
  return numbers * (dtype == DType::bf16 || dtype == DType::f16 ? 2 : kFloat);
}

double count(const Parameters& parameters) {
  double n = 0;
  for (const Parameter& p : parameters.all()) n += static_cast<double>(p.size());
  return n;
}

}  // namespace

double MemoryPlan::total() const {
  double sum = 0;
  for (const Item& item : items) sum += item.bytes;
  return sum;
}

MemoryPlanner::MemoryPlanner(const PublishedConfig& config, const PublishedData& data) : config_(config), data_(data) {
  // Asked once a process: later it would count what was loaded since.
  static const auto before = static_cast<double>(device_memory(at::kCPU).current);
  baseline_ = config.device == "cpu" ? before : 0;
  language_ = read_language_config(fs::path(config.language) / "config.json");
  const SafeTensors file = SafeTensors::open(config.language);
  const double rows = language_.vocab_size, numbers = rows * language_.hidden_size;
  stored_ = held_bytes(file, "model.embed_tokens", numbers, rows, false);
  if (!language_.tie_word_embeddings) stored_ += held_bytes(file, "lm_head", numbers, rows, false);
  const std::vector<LinearShape> linears = language_linears(language_);
  for (const LinearShape& linear : linears) {
    const auto size = static_cast<double>(linear.out * linear.in);
    stored_ += held_bytes(file, linear.name, size, static_cast<double>(linear.out), config.quantize == "nf4");
    largest_ = std::max(largest_, size);
  }
  LoraConfig lora;
  lora.r = config.lora.r;
  lora.target_modules = config.lora.target_modules;
  const std::vector<LinearShape> targets = lora_targets(linears, lora);
  for (const LinearShape& target : targets) adapter_ += config.lora.r * static_cast<double>(target.in + target.out);
  adapted_ = static_cast<double>(targets.size()) / language_.num_hidden_layers;
  compute_ = compute_dtype(config.compute, parse_device(config.device)) == at::kFloat ? kFloat : kFloat / 2;

  const VisionShape vision = read_vision_shape(config.vision, vision_kind(config.vision));
  shape_ = pair_fusion_shape(config.fusion.kind, config.fusion.width, vision, language_.hidden_size);
  fusion_ = count(PairFusion::parameters(shape_));
  head_ = count(ActionHead::parameters(
      {config.head.kind, config.head.condition, config.head.evidence, shape_.grid, language_.hidden_size}));
}

// What the graph keeps for the way back: language_net.h's layers made of fused_ops.h, and what a layer holds while it
// is computed. Each line is one tensor of `tokens` rows.
double MemoryPlanner::activation_bytes(double tokens, double answers) const {
  const double d = language_.hidden_size, i = language_.intermediate_size, c = compute_;
  const double kv = static_cast<double>(language_.num_key_value_heads) * language_.head_dim;
  const double q = static_cast<double>(language_.num_attention_heads) * language_.head_dim;
  const double dropped = config_.lora.dropout > 0 ? 1 : 0;
  const double layer = 2 * kFloat * d  // residual stream before attention and before the MLP
                       + c * d         // the adapters' input
                       + adapted_ * (dropped * d + c * config_.lora.r)  // their masks and x A
                       + c * (2 * q + 2 * kv)                           // queries, keys, values, attention's output
                       + kFloat * language_.num_attention_heads         // its row sums
                       + 2 * c * i;                                     // gate and up
  const double transient = c * 3 * i + kFloat * 3 * d;  // of the layer in progress: SwiGLU and its gradients
  const double kept = config_.checkpoint_layers ? kFloat * d * language_.num_hidden_layers + layer
                                                : layer * language_.num_hidden_layers;
  const double rows = std::min(answers, static_cast<double>(kHeadRows));
  const double logits = 2 * kFloat * rows * language_.vocab_size;  // and the exponentials of their sum
  return std::max(tokens * (kept + transient), tokens * kept + logits + static_cast<double>(kHeadSlice) * d * kFloat);
}

MemoryPlanner::Rows MemoryPlanner::largest_rows(int batch_size) const {
  Rows most;
  for (int epoch = 0; epoch < config_.caption.epochs; ++epoch) {
    const std::vector<std::size_t> order =
        changed_and_some(data_.train, config_.caption.unchanged_share, config_.seed, epoch);
    for (std::size_t first = 0; first < order.size(); first += static_cast<std::size_t>(batch_size)) {
      const std::size_t n = std::min(static_cast<std::size_t>(batch_size), order.size() - first);
      const AnswerBatch batch = draw_answers(config_, data_, std::span(order).subspan(first, n), epoch);
      const CaptionRows rows = config_.caption.packed ? packed_rows(batch.samples) : padded_rows(batch.samples);
      most.tokens = std::max(most.tokens, static_cast<double>(rows.ids.numel()));
      most.answers = std::max(most.answers, static_cast<double>(rows.labels.numel()));
    }
  }
  return most;
}

MemoryPlan MemoryPlanner::plan(const std::string& stage, int batch_size) const {
  const bool answers = stage != "head";
  const double views = static_cast<double>(data_.train.size()) * config_.views + static_cast<double>(data_.val.size());
  const double feature_row = 2.0 * (2 * shape_.rows() * shape_.in + (shape_.has_map() ? FeatureLayout::map : 0));
  const double trainable = answers ? adapter_ + fusion_ + (stage == "joint" ? head_ : 0) : head_;
  const double d = language_.hidden_size;
  MemoryPlan plan;
  const auto add = [&](const char* name, double bytes, std::string what) {
    plan.items.push_back({name, bytes, std::move(what)});
  };
  add("vision", views * feature_row, "features of all views, read from the cache; the encoder is gone by then");
  add("language", stored_ + kFloat * adapter_,
      fmt::format("frozen, as stored, and an adapter of {:.0f} weights", adapter_));
  add("head", kFloat * (fusion_ + 2 * head_), "fusion, projector, action head and its average");
  add("gradients", kFloat * trainable, "float32");
  add("optimiser", 2 * kFloat * trainable, "two moments of AdamW, float32");
  if (answers) {
    const Rows rows = largest_rows(batch_size);
    const double slack = config_.device == "cpu" ? BlockCache::kSlack : 1;
    add("activations", slack * activation_bytes(rows.tokens, rows.answers),
        fmt::format("{:.0f} positions, {:.0f} predicted tokens in {}", rows.tokens, rows.answers,
                    compute_ == kFloat ? "float32" : "16 bits"));
    add("batch", 2 * kFloat * rows.tokens * d, "embeddings");
  } else {
    const double width = (reads_grid(config_.head) ? shape_.rows() + 1 : 1) * d;
    const auto tokens = static_cast<double>(kHiddenBatch * data_.prompts.front().ids.size());
    add("activations", tokens * (kFloat * 3 * d + compute_ * (4 * d + 3 * language_.intermediate_size)),
        "one layer while the hidden states are computed");
    add("batch", kFloat * views * width, "hidden states of all views");
  }
  const double process = config_.device == "cpu" ? baseline_ + kWarmProcess : 0;
  add("other", process + 2 * kFloat * largest_, "program and libraries; one layer's weight unpacked");
  return plan;
}

int MemoryPlanner::largest_batch(const std::string& stage, double limit) const {
  const auto fits = [&](int batch) { return plan(stage, batch).total() <= limit; };
  if (!fits(1)) return 0;
  int low = 1, high = static_cast<int>(data_.train.size()) + 1;  // low fits, high is never tried
  while (high - low > 1) {
    const int middle = low + (high - low) / 2;
    (fits(middle) ? low : high) = middle;
  }
  return low;
}

int MemoryPlanner::batch_size(const std::string& stage) const {
  return stage == "head" ? config_.head.batch_size : config_.caption.batch_size;
}

void MemoryPlanner::refuse_what_will_not_fit(const std::vector<std::string>& stages, double limit) const {
  for (const std::string& stage : stages) {
    const int batch = batch_size(stage);
    const double wanted = plan(stage, batch).total();
    if (wanted <= limit) continue;
    const int largest = stage == "head" ? 0 : largest_batch(stage, limit);
    throw UserError(
        ErrorKind::memory, "memory_limit",
        fmt::format("stage {} with {} pairs in a batch will take {}, the limit is {}.", stage, batch,
                    show_bytes(wanted), show_bytes(limit)),
        largest > 0 ? fmt::format("The largest batch that fits is caption.batch_size={}; caption.accumulate={} keeps "
                                  "the update's size.",
                                  largest, (batch * config_.caption.accumulate + largest - 1) / largest)
                    : "No batch fits; see --dry-run, and checkpoint_layers=true for less memory.");
  }
}

double parse_bytes(const std::string& text, const std::string& where) {
  double value = 0;
  const char* end = text.data() + text.size();
  const auto [rest, error] = std::from_chars(text.data(), end, value);
  const std::string unit(rest, end);
  const std::pair<const char*, double> units[] = {{"", 1},     {"B", 1},      {"kB", 1e3},      {"MB", 1e6},
                                                  {"GB", 1e9}, {"KiB", 1024}, {"MiB", 1048576}, {"GiB", 1073741824}};
  for (const auto& [name, factor] : units)
    if (error == std::errc() && unit == name && value > 0 && value * factor < 1e15) return value * factor;
  throw UserError(ErrorKind::usage, where, fmt::format("wanted an amount of memory, found \"{}\".", text),
                  "Write for example 8GB, 7.5GiB or 900MB.");
}

std::string show_bytes(double bytes) {
  return bytes >= 1e9 ? fmt::format("{:.2f} GB", bytes / 1e9) : fmt::format("{:.1f} MB", bytes / 1e6);
}

}  // namespace cp
