#include "runtime/token_head.h"

#include <algorithm>
#include <cmath>
#include <limits>

#include "core/error.h"
#include "core/rng.h"
#include "runtime/sampling.h"
#include "text/template.h"

namespace cp {
namespace {

// One prompt that is written on by one row, then by `count` rows.
class Writer {
 public:
  Writer(const LanguageModel& language, std::span<const float> embeddings) : language_(language) {
    const std::vector<float> hidden = language.prefill(embeddings, cache_);
    hidden_.assign(hidden.end() - language.hidden(), hidden.end());
  }

  // One id a row: one for all rows so far, or (once) one for each of several rows that all follow the first.
  void write(const std::vector<int>& ids) {
    std::vector<int> parents(ids.size(), 0);
    if (ids.size() == rows_)
      for (std::size_t i = 0; i < ids.size(); ++i) parents[i] = static_cast<int>(i);
    rows_ = ids.size();
    hidden_ = language_.decode(ids, parents, cache_);
  }
  void write_all(int id) { write(std::vector<int>(rows_, id)); }

  std::vector<float> logits() const { return language_.logits(hidden_); }  // (rows V)
  std::size_t rows() const { return rows_; }

 private:
  const LanguageModel& language_;
  LanguageModel::Cache cache_;
  std::vector<float> hidden_;
  std::size_t rows_ = 1;
};

}  // namespace

TokenHead::TokenHead(const BpeTokenizer& tokenizer, bool thought)
    : spelling_(tokenizer),
      thought_(thought),
      start_(tokenizer.control_id("<|im_start|>")),
      end_(tokenizer.control_id(kEndToken)) {}

TokenHead::Written TokenHead::write(const LanguageModel& language, std::span<const float> embeddings,
                                    const std::vector<bool>& suppressed, int count, std::uint64_t seed) const {
  CP_CHECK(count > 0, "TokenHead: nothing to draw");
  Written out;
  Writer writer(language, embeddings);
  while (thought_) {
    const std::vector<float> logits = writer.logits();
    int best = end_;
    for (int id = 0; id < static_cast<int>(logits.size()); ++id) {
      const bool allowed = id == start_ || !suppressed[static_cast<std::size_t>(id)];
      if (allowed && logits[static_cast<std::size_t>(id)] > logits[static_cast<std::size_t>(best)]) best = id;
    }
    const bool done = best == start_ || best == end_ || static_cast<int>(out.thought.size()) == kMostThought;
    writer.write_all(done ? start_ : best);
    if (done) break;
    out.thought.push_back(best);
  }

  std::vector<BinnedAction> actions(static_cast<std::size_t>(count));
  for (int slot = 0; slot < kActionSlots; ++slot) {
    for (const int id : spelling_.lead(slot)) writer.write_all(id);
    const std::vector<float> logits = writer.logits();
    const std::size_t vocabulary = logits.size() / writer.rows();
    std::vector<int> ids;
    for (std::size_t draw = 0; draw < actions.size(); ++draw) {
      const float* row = logits.data() + (writer.rows() == 1 ? 0 : draw) * vocabulary;
      std::vector<float> digits;
      for (int digit = 0; digit < spelling_.choices(slot); ++digit)
        digits.push_back(row[spelling_.digits()[static_cast<std::size_t>(digit)]]);
      Rng rng(seed, Stream::token_sampling, static_cast<std::uint32_t>(draw), static_cast<std::uint64_t>(slot));
      const int digit = draw_token(digits, rng.uniform());
      BinnedAction& action = actions[draw];
      int& into = slot < 2 ? action.x : slot < 4 ? action.y : action.a;
      into = 10 * into + digit;
      ids.push_back(spelling_.digits()[static_cast<std::size_t>(digit)]);
    }
    if (slot + 1 < kActionSlots) writer.write(ids);
  }
  for (const BinnedAction& action : actions) {
    out.samples.push_back(static_cast<float>(2 * bin_centre(action.x) - 1));
    out.samples.push_back(static_cast<float>(2 * bin_centre(action.y) - 1));
    out.samples.push_back(action.a ? 1.f : -1.f);
  }
  return out;
}

}  // namespace cp
