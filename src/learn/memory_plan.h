#pragma once
// In:  a PublishedConfig, its data, what the folders' configurations and headers say. No weight is loaded.
// Out: how much memory a stage will take at its peak, item by item; the largest batch within a limit.
// Not here: enforcing the limit (device.h, train.cpp).

#include <string>
#include <vector>

#include "formats/language_config.h"
#include "learn/published_data.h"
#include "runtime/pair_fusion.h"

namespace cp {

// Bytes held at the moment of the peak. The names are those of the design's table.
struct MemoryPlan {
  struct Item {
    std::string name;  // vision, language, head, gradients, optimiser, activations, batch, other
    double bytes = 0;
    std::string what;
  };
  std::vector<Item> items;
  double total() const;
};

class MemoryPlanner {
 public:
  // Throws UserError(model) for folders that cannot be read. `data` must outlive the planner.
  MemoryPlanner(const PublishedConfig& config, const PublishedData& data);

  // Of stage "caption", "head" or "joint" with `batch_size` pairs in a batch.
  MemoryPlan plan(const std::string& stage, int batch_size) const;
  // The largest batch size whose plan stays within `limit` bytes; 0: none does.
  int largest_batch(const std::string& stage, double limit) const;
  // What the configuration says for the stage.
  int batch_size(const std::string& stage) const;
  // Throws UserError(memory) naming the first stage whose plan passes `limit`, and the largest batch that would not.
  void refuse_what_will_not_fit(const std::vector<std::string>& stages, double limit) const;

 private:
  struct Rows {
    double tokens = 0, answers = 0;
  };
  // Most positions, and most predicted tokens, that a batch of the run's epochs holds.
  Rows largest_rows(int batch_size) const;
  double activation_bytes(double tokens, double answers) const;

  PublishedConfig config_;
  const PublishedData& data_;
  LanguageConfig language_;
  PairFusion::Shape shape_;
  double baseline_ = 0;                         // bytes of this program before anything is loaded
  double stored_ = 0;                           // bytes of the language model's weights in memory
  double largest_ = 0;                          // numbers of its largest layer
  double compute_ = 4;                          // bytes of a number in products
  double adapter_ = 0, fusion_ = 0, head_ = 0;  // weights
  double adapted_ = 0;                          // adapted modules of a layer
};

// "8GB" (10^9 bytes), "7.5GiB" (2^30), "900MB", "1000000": bytes. Throws UserError(usage) naming `where`.
double parse_bytes(const std::string& text, const std::string& where);
std::string show_bytes(double bytes);  // "1.32 GB", "641 MB"

}  // namespace cp
