#include "data/synth.h"

#include <algorithm>
#include <sstream>

#include <fmt/format.h>

#include "core/file.h"
#include "core/json.h"
#include "core/progress.h"
#include "data/synth_render.h"
#include "data/synth_scene.h"
#include "data/synth_words.h"
#include "image/write.h"

namespace cp {

namespace {

constexpr int kMinSize = 64, kMaxSize = 1024;
constexpr int kMinChange = 60;  // pixels of the mask: what is smaller nobody would describe

void check_size(int size) {
  if (size >= kMinSize && size <= kMaxSize) return;
  throw UserError(ErrorKind::usage, "size", fmt::format("wanted {} to {} pixels, found {}", kMinSize, kMaxSize, size),
                  "256 is LEVIR-CC's size");
}

void check_options(const SynthOptions& options) {
  check_size(options.size);
  if (options.out.empty()) throw UserError(ErrorKind::usage, "out", "wanted a folder, found nothing", "Give --out DIR");
  if (options.pairs < 1 || options.pairs > 999999) {
    throw UserError(ErrorKind::usage, "pairs", fmt::format("wanted 1 to 999999, found {}", options.pairs),
                    "Give --pairs N");
  }
  if (!(options.val_share >= 0 && options.val_share < 1)) {
    throw UserError(ErrorKind::usage, "val_share",
                    fmt::format("wanted 0 or more and below 1, found {}", options.val_share),
                    "0.2 keeps a fifth for validation");
  }
}

synth::Change draw_change(Rng& rng) {
  const int kind = synth::pick(rng, 0, 99);
  return kind < 50   ? synth::Change::houses_built
         : kind < 68 ? synth::Change::houses_removed
                     : synth::Change::road_built;
}

// LEVIR-CC's record: sentences as " a house is built ." with their words.
OrderedJson make_record(const SynthPair& pair, const std::string& split, const std::string& name, int index) {
  OrderedJson record = {
      {"filepath", split}, {"filename", name}, {"imgid", index}, {"split", split}, {"changeflag", pair.changeflag}};
  OrderedJson ids = OrderedJson::array(), sentences = OrderedJson::array(), chinese = OrderedJson::array();
  for (std::size_t i = 0; i < pair.captions.size(); ++i) {
    const int id = index * static_cast<int>(pair.captions.size()) + static_cast<int>(i);
    OrderedJson tokens = OrderedJson::array();
    std::istringstream words(pair.captions[i]);
    for (std::string word; words >> word;) tokens.push_back(word);
    ids.push_back(id);
    sentences.push_back({{"tokens", tokens}, {"raw", " " + pair.captions[i] + " ."}, {"imgid", index}, {"sentid", id}});
  }
  for (const std::string& caption : pair.captions_zh) chinese.push_back({{"raw", caption}});
  record["sentids"] = ids;
  record["sentences"] = sentences;
  record["sentences_zh"] = chinese;
  record["what"] = pair.what;
  return record;
}

}  // namespace

SynthPair make_synth_pair(std::uint64_t seed, std::uint64_t index, int size) {
  check_size(size);
  // Scene, light and words draw from rows of their own: new words leave the pictures as they are.
  Rng scene_rng(seed, Stream::synth, 0, index), look_rng(seed, Stream::synth, 1, index),
      words_rng(seed, Stream::synth, 2, index);
  SynthPair pair;
  pair.changeflag = index % 2 == 0 ? 1 : 0;
  const synth::Change change = pair.changeflag == 1 ? draw_change(scene_rng) : synth::Change::none;
  synth::Scene scene;
  do {
    scene = synth::make_scene(scene_rng, size * synth::kSupersample, change);
    pair.label = synth::render_label(scene);
  } while (pair.changeflag == 1 && std::count(pair.label.pixels.begin(), pair.label.pixels.end(), 0) >
                                       static_cast<std::ptrdiff_t>(pair.label.pixels.size()) - kMinChange);
  const synth::GroundNoise noise(scene);
  const synth::Look before = synth::make_look(look_rng), after = synth::make_look(look_rng);
  pair.before = synth::render(scene, noise, false, before);
  pair.after = synth::render(scene, noise, true, after);
  synth::Sentences sentences = synth::describe(words_rng, scene, pair.label);
  pair.captions = std::move(sentences.english);
  pair.captions_zh = std::move(sentences.chinese);
  pair.what = synth::change_name(change);
  return pair;
}

void write_synth_dataset(const SynthOptions& options) {
  check_options(options);
  const std::filesystem::path root = options.out, captions = root / "LevirCCcaptions.json";
  if (std::filesystem::exists(captions)) {
    throw UserError(ErrorKind::write, captions.string(), "wanted a folder without a data set, found one",
                    "Choose another folder, or remove this one");
  }
  const int val = static_cast<int>(options.pairs * options.val_share), train = options.pairs - val;
  OrderedJson images = OrderedJson::array();
  Progress progress("synthetic pairs", static_cast<std::uint64_t>(options.pairs), "pairs");
  for (int i = 0; i < options.pairs; ++i) {
    const std::string split = i < train ? "train" : "val";
    const std::string name = fmt::format("{}_{:06}.png", split, (i < train ? i : i - train) + 1);
    const SynthPair pair = make_synth_pair(options.seed, static_cast<std::uint64_t>(i), options.size);
    const std::filesystem::path folder = root / "images" / split;
    write_png(folder / "A" / name, pair.before);
    write_png(folder / "B" / name, pair.after);
    write_png(folder / "label" / name, pair.label);
    images.push_back(make_record(pair, split, name, i));
    progress.advance();
  }
  progress.finish();
  const OrderedJson file = {{"images", images}, {"dataset", "ChangePilot synthetic"}};
  write_file_durable(captions, file.dump() + "\n");  // last: a folder without it was not finished
}

}  // namespace cp
