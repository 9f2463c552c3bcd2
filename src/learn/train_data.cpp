#include "learn/train_data.h"

#include <algorithm>
#include <cmath>
#include <map>
#include <set>
#include <sstream>

#include <fmt/format.h>

#include "core/rng.h"
#include "data/pair_captions.h"
#include "text/bpe_trainer.h"
#include "text/template.h"

namespace cp {
namespace {

constexpr std::size_t kTextValShare = 4;     // every 4th validation record of the caption file
constexpr std::size_t kTextUnchanged = 200;  // unchanged records used: they all say the same five sentences
constexpr std::size_t kChineseUnchanged = 50;
// How often the vocabulary's trainer reads the instructions. Their words become tokens; with 100 they would be one
// token as a whole, and another instruction would be made of tokens that were never seen.
constexpr int kInstructionRepeats = 10;

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

// A pair's Chinese captions in one of its views, with what its English captions say of the concepts there.
struct ChineseView {
  std::vector<std::string> sentences;
  std::vector<float> concepts;
  int changed = 0;
};

std::vector<std::string> in_view(const std::vector<std::string>& captions, const View& view) {
  std::vector<std::string> out;
  for (const std::string& caption : captions)
    if (auto rewritten = apply_view(caption, view)) out.push_back(std::move(*rewritten));
  return out;
}

// Training pairs in the eight turns and mirrors: there are few sentences, and each direction is said in all ways.
std::vector<ChineseView> chinese_views(const std::vector<PairRecord>& records, const PairCaptions& chinese,
                                       const std::map<std::string, std::size_t>& concept_index, int views) {
  std::vector<ChineseView> out;
  std::size_t unchanged = 0;
  for (const PairRecord& record : records) {
    const std::vector<std::string>& captions = chinese.of(record);
    if (captions.empty() || (!record.changeflag && unchanged++ >= kChineseUnchanged)) continue;
    for (int v = 0; v < (record.changeflag ? views : 1); ++v) {
      View view;
      view.quarter_turns = v % 4;
      view.mirror = v >= 4;
      out.push_back(
          {in_view(captions, view), concept_shares(in_view(record.captions, view), concept_index), record.changeflag});
    }
  }
  return out;
}

// Texts that the vocabulary is trained on.
std::string train_vocabulary(const std::vector<PairRecord>& english, const std::vector<std::string>& chinese,
                             int size) {
  std::vector<std::string> texts;
  for (const PairRecord& record : english)
    for (const std::string& caption : record.captions) texts.push_back(" " + caption);
  for (int repeat = 0; repeat < kInstructionRepeats; ++repeat)
    for (const char* language : {"en", "zh"}) {
      if (language == std::string("zh") && chinese.empty()) continue;
      for (const std::string& instruction : instruction_templates(language)) texts.push_back(" " + instruction);
    }
  for (const std::string& sentence : chinese) texts.push_back(" " + sentence);
  BpeTrainerOptions options;
  options.vocabulary_size = size;
  return train_bpe(texts, options);
}

// Leaves a share of the training scenes, at least one: the first ones of an order that hangs on the seed alone, so that
// a smaller share is part of a larger one.
void keep_share(TrainData& data, double share, std::uint64_t seed) {
  if (share >= 1) return;
  std::set<std::string> names;
  for (const TrainPair& pair : data.train) names.insert(pair.group);
  std::vector<std::string> scenes(names.begin(), names.end());
  Rng(seed, Stream::split, 1).shuffle(scenes);
  const double wanted = std::ceil(share * static_cast<double>(scenes.size()));
  const std::set<std::string> kept(scenes.begin(), scenes.begin() + static_cast<std::ptrdiff_t>(std::max(wanted, 1.0)));
  std::vector<TrainPair> pairs;
  std::vector<std::size_t> numbers;
  for (std::size_t i = 0; i < data.train.size(); ++i)
    if (kept.count(data.train[i].group) != 0) {
      numbers.push_back(i);
      pairs.push_back(std::move(data.train[i]));
    }
  data.train = std::move(pairs);
  data.train_features = data.train_features.subset(std::move(numbers));
}

}  // namespace

TrainData load_train_data(const TrainConfig& config, const std::string& tokenizer_json,
                          const std::vector<std::string>& concepts) {
  const auto [train, val] = read_pair_records(config);
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
  data.concepts = concepts.empty() ? choose_concepts(text_train, config.language.concepts) : concepts;
  std::map<std::string, std::size_t> concept_index;
  for (std::size_t i = 0; i < data.concepts.size(); ++i) concept_index[data.concepts[i]] = i;
  for (const std::string& word : data.concepts) data.concept_is_direction.push_back(is_direction(word));
  // Of the training pairs alone; those of the validation pairs are measured, never learned.
  const PairCaptions chinese = config.chinese.empty() ? PairCaptions() : PairCaptions::read(config.chinese);
  const std::vector<ChineseView> chinese_train = chinese_views(train, chinese, concept_index, 8);
  if (data.tokenizer_json.empty()) {
    std::vector<std::string> sentences;
    for (const PairRecord& record : train)
      if (record.changeflag) sentences.insert(sentences.end(), chinese.of(record).begin(), chinese.of(record).end());
    data.tokenizer_json = train_vocabulary(text_train, sentences, config.language.vocabulary);
  }
  data.tokenizer = BpeTokenizer::parse(data.tokenizer_json, "tokenizer.json");

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
  const auto add_chinese = [&](const std::vector<ChineseView>& views, std::vector<TrainData::TextItem>& out) {
    for (const ChineseView& view : views)
      for (const std::string& sentence : view.sentences)
        out.push_back({caption_ids(data.tokenizer, sentence), view.concepts, view.changed, true});
  };
  add_chinese(chinese_train, data.text);
  std::vector<PairRecord> val_changed;
  for (const PairRecord& record : val)
    if (record.changeflag) val_changed.push_back(record);
  add_chinese(chinese_views(val_changed, chinese, concept_index, 1), data.text_val);

  const CaptionEncoder encode = [&](const std::string& caption) { return caption_ids(data.tokenizer, caption); };
  data.train = make_pairs(train, config, config.head.target, true, encode);
  data.val = make_pairs(val, config, config.head.target, false, encode);
  for (std::vector<TrainPair>* pairs : {&data.train, &data.val})
    for (TrainPair& pair : *pairs)
      for (std::size_t view = 0; view < pair.views.size(); ++view) {
        ViewText& text = pair.texts[view];
        text.concepts = concept_shares(text.sentences, concept_index);
        for (const std::string& sentence : in_view(chinese.of(pair.record), pair.views[view]))
          text.chinese.push_back(caption_ids(data.tokenizer, sentence));
      }
  const FeatureSource source = stride_features(config.vision);
  data.train_features = open_features(config, source, data.train);
  if (!val.empty()) data.val_features = open_features(config, source, data.val);
  keep_share(data, config.data_share, config.seed);
  return data;
}

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
