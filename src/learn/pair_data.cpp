#include "learn/pair_data.h"

#include <thread>

#include "core/rng.h"
#include "image/read.h"

namespace cp {
namespace {

// Views 0..7 are the eight turns and mirrors alone, so that the clean pictures are seen; later ones add everything
// else.
std::vector<View> make_views(const RunOptions& options, std::size_t pair) {
  std::vector<View> views;
  for (int v = 0; v < options.views; ++v) {
    Rng rng(options.view_seed, Stream::augment, static_cast<std::uint32_t>(v), pair);
    View view = v < 8 ? View{} : draw_view(rng, options.augment);
    view.quarter_turns = options.augment.quarter_turns ? v % 4 : 0;
    view.mirror = options.augment.flips && v % 8 >= 4;
    views.push_back(view);
  }
  return views;
}

}  // namespace

PairRecords read_pair_records(const RunOptions& options) {
  const LevirIndex index = read_levir(options.data);
  PairRecords records{pairs_of_split(index, "train"), pairs_of_split(index, "val")};
  if (records.train.empty())
    throw UserError(ErrorKind::data, options.data, "no pairs in split \"train\".",
                    "Check the folder with `changepilot dataset check`.");
  return records;
}

std::vector<TrainPair> make_pairs(const std::vector<PairRecord>& records, const RunOptions& options,
                                  const std::string& target, bool augmented, const CaptionEncoder& encode) {
  std::vector<TrainPair> pairs;
  for (const PairRecord& record : records) {
    TrainPair pair;
    pair.record = record;
    pair.views = augmented ? make_views(options, pairs.size()) : std::vector<View>{View{}};
    pair.group = scene_group(record.name);
    const Image mask = record.label.empty() ? Image() : read_mask(record.label);
    const std::vector<Component> components = find_components(mask);
    pair.mask_disagrees =
        mask.width > 0 && flag_against_mask(record.changeflag, components.empty()) != Agreement::agrees;
    const ActionTarget whole = make_action_target(mask, components, parse_target(target), record.changeflag);
    for (const View& view : pair.views) {
      ViewText text;
      for (const std::string& caption : record.captions)
        if (const auto rewritten = apply_view(caption, view)) text.sentences.push_back(*rewritten);
      text.complete = text.sentences.size() == record.captions.size();
      for (const std::string& sentence : text.sentences) text.captions.push_back(encode(sentence));
      pair.texts.push_back(std::move(text));
      ActionTarget there = whole;
      const Point p = apply_view(Point{whole.x, whole.y}, view);
      there.x = p.x;
      there.y = p.y;
      there.has_point = whole.has_point && !pair.mask_disagrees && p.x >= 0 && p.x < 1 && p.y >= 0 && p.y < 1;
      pair.targets.push_back(there);
    }
    pairs.push_back(std::move(pair));
  }
  return pairs;
}

std::vector<Pick> all_picks(const std::vector<TrainPair>& pairs) {
  std::vector<Pick> picks;
  for (std::size_t i = 0; i < pairs.size(); ++i)
    for (std::size_t v = 0; v < pairs[i].views.size(); ++v) picks.push_back({i, v});
  return picks;
}

std::size_t choose_view(const TrainPair& pair, Rng& rng) {
  std::size_t view = rng.below(pair.views.size());
  while (view > 0 && pair.texts[view].captions.size() < 2) view = (view + 1) % pair.views.size();
  return view;  // view 0 has all captions
}

std::vector<std::size_t> changed_and_some(const std::vector<TrainPair>& pairs, double unchanged_share,
                                          std::uint64_t seed, int epoch) {
  std::vector<std::size_t> changed, unchanged;
  for (std::size_t i = 0; i < pairs.size(); ++i) (pairs[i].record.changeflag ? changed : unchanged).push_back(i);
  Rng rng(seed, Stream::shuffle, static_cast<std::uint32_t>(epoch), 3);
  rng.shuffle(unchanged);
  unchanged.resize(static_cast<std::size_t>(unchanged_share * static_cast<double>(unchanged.size())));
  changed.insert(changed.end(), unchanged.begin(), unchanged.end());
  rng.shuffle(changed);
  return changed;
}

FeatureCache open_features(const RunOptions& options, const FeatureSource& source,
                           const std::vector<TrainPair>& pairs) {
  std::vector<PairRecord> records;
  std::vector<std::vector<View>> views;
  for (const TrainPair& pair : pairs) records.push_back(pair.record), views.push_back(pair.views);
  const int threads = options.threads > 0 ? options.threads : static_cast<int>(std::thread::hardware_concurrency());
  return FeatureCache::open(options.cache, source, records, views, threads);
}

at::Tensor gather(const FeatureCache& cache, const std::vector<Pick>& picks, std::size_t offset,
                  at::IntArrayRef shape) {
  std::vector<at::Tensor> rows;
  for (const Pick& pick : picks) {
    auto* data = const_cast<std::uint16_t*>(cache.row(pick.pair, pick.view) + offset);  // from_blob takes no const
    rows.push_back(at::from_blob(data, shape, at::kHalf));
  }
  return at::stack(rows).to(at::kFloat);
}

}  // namespace cp
