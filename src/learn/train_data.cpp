#include "learn/train_data.h"

#include <algorithm>
#include <map>
#include <set>
#include <sstream>
#include <thread>

#include <fmt/format.h>

#include "core/rng.h"
#include "image/read.h"
#include "text/bpe_trainer.h"
#include "text/template.h"

namespace cp {
namespace {

constexpr std::size_t kTextValShare = 4;     // every 4th validation record of the caption file
constexpr std::size_t kTextUnchanged = 200;  // unchanged records used: they all say the same five sentences

std::vector<std::string> words_of(const std::string& caption) {
  std::istringstream stream(caption);
  std::vector<std::string> words;
  for (std::string word; stream >> word;) words.push_back(word);
  return words;
}

// Words that name no thing: not concepts.
const std::set<std::string>& stop_words() {
  static const std::set<std::string> words = {"the",   "a",    "an",   "of",   "is", "are",  "have",  "has",
                                              "been",  "and",  "in",   "on",   "to", "with", "at",    "by",
                                              "which", "some", "that", "this", "it", "its",  "there", "be",
                                              "for",   "was",  "were", "from", "as", "into"};
  return words;
}

// The most frequent words of changed captions (counted once a record) that are no stop words.
std::vector<std::string> choose_concepts(const std::vector<PairRecord>& records, int count) {
  std::map<std::string, int> counts;
  for (const PairRecord& record : records) {
    if (!record.changeflag) continue;
    std::set<std::string> seen;
    for (const std::string& caption : record.captions)
      for (const std::string& word : words_of(caption)) seen.insert(word);
    for (const std::string& word : seen)
      if (!stop_words().count(word)) ++counts[word];
  }
  std::vector<std::pair<int, std::string>> ranked;
  for (const auto& [word, n] : counts) ranked.emplace_back(-n, word);
  std::sort(ranked.begin(), ranked.end());
  std::vector<std::string> out;
  for (std::size_t i = 0; i < ranked.size() && static_cast<int>(out.size()) < count; ++i)
    out.push_back(ranked[i].second);
  return out;
}

std::vector<float> concept_shares(const std::vector<std::string>& captions,
                                  const std::map<std::string, std::size_t>& index) {
  std::vector<float> shares(index.size(), 0.f);
  for (const std::string& caption : captions) {
    const std::vector<std::string> words = words_of(caption);
    for (const std::string& word : std::set<std::string>(words.begin(), words.end()))
      if (const auto found = index.find(word); found != index.end())
        shares[found->second] += 1.f / static_cast<float>(captions.size());
  }
  return shares;
}

// A word is a direction when a turn rewrites it.
bool is_direction(const std::string& word) {
  View turn;
  turn.quarter_turns = 2;
  View mirror;
  mirror.mirror = true;
  const auto changed = [&](const View& view) {
    const auto rewritten = apply_view(word, view);
    return !rewritten || *rewritten != word;
  };
  return changed(turn) || changed(mirror);
}

// Views 0..7 are the eight turns and mirrors alone, so that the clean pictures are seen; later ones add everything
// else.
std::vector<View> make_views(const TrainConfig& config, std::size_t pair) {
  std::vector<View> views;
  for (int v = 0; v < config.views; ++v) {
    Rng rng(config.view_seed, Stream::augment, static_cast<std::uint32_t>(v), pair);
    View view = v < 8 ? View{} : draw_view(rng, config.augment);
    view.quarter_turns = config.augment.quarter_turns ? v % 4 : 0;
    view.mirror = config.augment.flips && v % 8 >= 4;
    views.push_back(view);
  }
  return views;
}

TrainPair make_pair(const PairRecord& record, std::vector<View> views, const TrainConfig& config,
                    const BpeTokenizer& tokenizer, const std::map<std::string, std::size_t>& concept_index,
                    const Image& mask, const std::vector<Component>& components) {
  TrainPair pair;
  pair.record = record;
  pair.views = std::move(views);
  pair.group = scene_group(record.name);
  pair.mask_disagrees = mask.width > 0 && flag_against_mask(record.changeflag, components.empty()) != Agreement::agrees;
  const ActionTarget whole = make_action_target(mask, components, parse_target(config.head.target), record.changeflag);
  for (const View& view : pair.views) {
    ViewText text;
    std::vector<std::string> captions;
    for (const std::string& caption : record.captions)
      if (const auto rewritten = apply_view(caption, view)) captions.push_back(*rewritten);
    text.complete = captions.size() == record.captions.size();
    text.concepts = concept_shares(captions, concept_index);
    for (const std::string& caption : captions) text.captions.push_back(caption_ids(tokenizer, caption));
    pair.texts.push_back(std::move(text));
    ActionTarget target = whole;
    const Point p = apply_view(Point{whole.x, whole.y}, view);
    target.x = p.x;
    target.y = p.y;
    target.has_point = whole.has_point && !pair.mask_disagrees && p.x >= 0 && p.x < 1 && p.y >= 0 && p.y < 1;
    pair.targets.push_back(target);
  }
  return pair;
}

// Names and caption sets of the validation pairs: nothing of them may be read as training text.
class HeldOut {
 public:
  explicit HeldOut(const std::vector<PairRecord>& val) {
    for (const PairRecord& record : val) {
      names_.insert(record.name);
      if (record.changeflag) captions_.insert(sorted(record));
    }
  }
  bool has(const PairRecord& record) const {
    return names_.count(record.name) != 0 || (record.changeflag && captions_.count(sorted(record)) != 0);
  }

 private:
  static std::vector<std::string> sorted(const PairRecord& record) {
    std::vector<std::string> captions = record.captions;
    std::sort(captions.begin(), captions.end());
    return captions;
  }
  std::set<std::string> names_;
  std::set<std::vector<std::string>> captions_;
};

}  // namespace

TrainData load_train_data(const TrainConfig& config, const std::string& tokenizer_json,
                          const std::vector<std::string>& concepts) {
  const LevirIndex index = read_levir(config.data);
  const std::vector<PairRecord> train = pairs_of_split(index, "train"), val = pairs_of_split(index, "val");
  if (train.empty())
    throw UserError(ErrorKind::data, config.data, "no pairs in split \"train\".",
                    "Check the folder with `changepilot dataset check`.");
  const HeldOut held_out(val);
  std::vector<PairRecord> text_train = train, text_val;
  if (!config.text_data.empty()) {
    std::size_t nth = 0;
    for (const PairRecord& record : read_levir_captions(config.text_data).pairs) {
      if (held_out.has(record)) continue;
      const bool keep_apart = record.split == "val" && nth++ % kTextValShare == 0;
      (keep_apart ? text_val : text_train).push_back(record);
    }
  }

  TrainData data;
  data.tokenizer_json = tokenizer_json;
  if (data.tokenizer_json.empty()) {
    std::vector<std::string> texts;
    for (const PairRecord& record : text_train)
      for (const std::string& caption : record.captions) texts.push_back(" " + caption);
    for (const std::string& instruction : instruction_templates("en")) texts.push_back(" " + instruction);
    BpeTrainerOptions options;
    options.vocabulary_size = config.language.vocabulary;
    data.tokenizer_json = train_bpe(texts, options);
  }
  data.tokenizer = BpeTokenizer::parse(data.tokenizer_json, "tokenizer.json");
  data.concepts = concepts.empty() ? choose_concepts(text_train, config.language.concepts) : concepts;
  std::map<std::string, std::size_t> concept_index;
  for (std::size_t i = 0; i < data.concepts.size(); ++i) concept_index[data.concepts[i]] = i;
  for (const std::string& word : data.concepts) data.concept_is_direction.push_back(is_direction(word));

  const auto add_text = [&](const PairRecord& record, std::vector<TrainData::TextItem>& out) {
    const std::vector<float> shares = concept_shares(record.captions, concept_index);
    for (const std::string& caption : record.captions)
      out.push_back({caption_ids(data.tokenizer, caption), shares, record.changeflag});
  };
  std::size_t unchanged = 0;
  for (const PairRecord& record : text_train)
    if (record.changeflag || unchanged++ < kTextUnchanged) add_text(record, data.text);
  for (const PairRecord& record : text_val)
    if (record.changeflag) add_text(record, data.text_val);

  std::vector<std::vector<View>> train_views, val_views;
  for (std::size_t i = 0; i < train.size(); ++i) {
    train_views.push_back(make_views(config, i));
    const Image mask = train[i].label.empty() ? Image() : read_mask(train[i].label);
    data.train.push_back(
        make_pair(train[i], train_views.back(), config, data.tokenizer, concept_index, mask, find_components(mask)));
  }
  for (const PairRecord& record : val) {
    val_views.push_back({View{}});
    const Image mask = record.label.empty() ? Image() : read_mask(record.label);
    std::vector<Component> components = find_components(mask);
    data.val.push_back(make_pair(record, {View{}}, config, data.tokenizer, concept_index, mask, components));
    data.val_truth.push_back({record.name, record.changeflag, record.captions, mask, std::move(components)});
  }
  const int threads = config.threads > 0 ? config.threads : static_cast<int>(std::thread::hardware_concurrency());
  data.train_features = FeatureCache::open(config.cache, config.vision, train, train_views, threads);
  if (!val.empty()) data.val_features = FeatureCache::open(config.cache, config.vision, val, val_views, threads);
  return data;
}

namespace {

// Stacks one part of the picked rows: (B C S S) f32.
at::Tensor gather(const FeatureCache& cache, const std::vector<Pick>& picks, std::size_t offset,
                  at::IntArrayRef shape) {
  std::vector<at::Tensor> rows;
  for (const Pick& pick : picks) {
    auto* data = const_cast<std::uint16_t*>(cache.row(pick.pair, pick.view) + offset);  // from_blob takes no const
    rows.push_back(at::from_blob(data, shape, at::kHalf));
  }
  return at::stack(rows).to(at::kFloat);
}

}  // namespace

FeatureBatch gather_features(const FeatureCache& cache, const std::vector<Pick>& picks, int image) {
  const std::size_t base = image == 0 ? 0 : FeatureLayout::image;
  return {gather(cache, picks, base, {40, 32, 32}), gather(cache, picks, base + FeatureLayout::s8, {112, 16, 16}),
          gather(cache, picks, base + FeatureLayout::s8 + FeatureLayout::s16, {320, 8, 8})};
}

at::Tensor gather_maps(const FeatureCache& cache, const std::vector<Pick>& picks) {
  return gather(cache, picks, 2 * FeatureLayout::image, {64, 64});
}

at::Tensor pad_ids(const std::vector<std::vector<int>>& rows, int pad) {
  std::size_t longest = 0;
  for (const auto& row : rows) longest = std::max(longest, row.size());
  at::Tensor out =
      at::full({static_cast<std::int64_t>(rows.size()), static_cast<std::int64_t>(longest)}, pad, at::kLong);
  auto* data = out.data_ptr<std::int64_t>();
  for (std::size_t i = 0; i < rows.size(); ++i) std::copy(rows[i].begin(), rows[i].end(), data + i * longest);
  return out;
}

}  // namespace cp
