#include "data/synth.h"

#include <cmath>
#include <set>

#include "core/file.h"
#include "core/json.h"
#include "core/progress.h"
#include "data/components.h"
#include "data/directions.h"
#include "data/levir.h"
#include "data/synth_render.h"
#include "data/synth_words.h"
#include "image/read.h"
#include "support/test_support.h"

namespace cp {
namespace {

using namespace synth;

std::string digest(const SynthPair& pair) {
  std::string bytes;
  for (const Image* image : {&pair.before, &pair.after, &pair.label})
    bytes.append(image->pixels.begin(), image->pixels.end());
  for (const std::string& s : pair.captions) bytes += s + "\n";
  for (const std::string& s : pair.captions_zh) bytes += s + "\n";
  return sha256_hex(bytes);
}

// Any compiler, any processor: these may change only when somebody means to change the pictures.
TEST(Synth, GivesTheSameBytesEverywhere) {
  const char* kWant[] = {"f89541f5b3592e37d1390c923cfde2bb833a6368b68f071e3c78d6b9441484eb",
                         "972c20378df53d7dd1c41ced27ad5c6433ae8ae656163ba0bdcd0a0422df48d5",
                         "8094a8959e8bcc614903ddea930845dff251a2d70280e67b11dedc83469c1046",
                         "e5384c128fe9cd9910f586b5011f37301f0478b6b8426e3b4f79f5bc12514295"};
  for (std::uint64_t i = 0; i < 4; ++i) EXPECT_EQ(digest(make_synth_pair(1, i, 256)), kWant[i]) << i;
  EXPECT_NE(digest(make_synth_pair(2, 0, 256)), kWant[0]);
  EXPECT_EQ(digest(make_synth_pair(1, 0, 256)), digest(make_synth_pair(1, 0, 256)));
}

// The same light twice: what differs is what changed. Every labelled pixel, nearly; and around it only what belongs to
// it (drives, gardens, shadows, felled trees), cars apart.
TEST(Synth, LabelsArePixelsThatChanged) {
  int changed_pairs = 0;
  for (const Change change : {Change::houses_built, Change::houses_removed, Change::road_built}) {
    for (std::uint64_t i = 0; i < 6; ++i) {
      Rng rng(3, Stream::test, static_cast<std::uint32_t>(change), i);
      Scene scene = make_scene(rng, 512, change);
      scene.cars.clear();
      Look look = make_look(rng);
      look.shift = {};
      const GroundNoise noise(scene);
      const Image before = render(scene, noise, false, look), after = render(scene, noise, true, look),
                  label = render_label(scene);
      int labelled = 0, seen = 0, far = 0;
      for (int y = 2; y < label.height - 2; ++y) {
        for (int x = 2; x < label.width - 2; ++x) {
          int difference = 0;
          for (int c = 0; c < 3; ++c) difference += std::abs(before.at(x, y)[c] - after.at(x, y)[c]);
          if (*label.at(x, y) != 0) {
            ++labelled;
            seen += difference > 12;
          } else if (difference != 0) {
            bool near = false;  // 45 px: a lot with its trees, or the verge of a road
            for (int dy = -45; dy <= 45 && !near; dy += 3) {
              for (int dx = -45; dx <= 45 && !near; dx += 3) {
                const int px = x + dx, py = y + dy;
                near = px >= 0 && py >= 0 && px < label.width && py < label.height && *label.at(px, py) != 0;
              }
            }
            far += near ? 0 : 1;
          }
        }
      }
      EXPECT_GE(seen, 0.9 * labelled) << change_name(change) << " " << i;
      EXPECT_LE(far, 60) << change_name(change) << " " << i;
      changed_pairs += labelled > 0;
    }
  }
  EXPECT_GE(changed_pairs, 17);
}

TEST(Synth, TwinWithAShiftedLabelIsDetected) {
  Rng rng(3, Stream::test, 1, 0);
  const Scene scene = make_scene(rng, 512, Change::houses_built);
  const Look look = make_look(rng);
  const GroundNoise noise(scene);
  const Image before = render(scene, noise, false, look), after = render(scene, noise, true, look),
              label = render_label(scene);
  const auto share_seen = [&](int shift) {
    int labelled = 0, seen = 0;
    for (int y = 0; y < label.height; ++y) {
      for (int x = shift; x < label.width; ++x) {
        if (*label.at(x - shift, y) == 0) continue;
        int difference = 0;
        for (int c = 0; c < 3; ++c) difference += std::abs(before.at(x, y)[c] - after.at(x, y)[c]);
        ++labelled;
        seen += difference > 12;
      }
    }
    return static_cast<double>(seen) / labelled;
  };
  EXPECT_GT(share_seen(0), 0.9);
  EXPECT_LT(share_seen(60), 0.9);
}

TEST(Synth, UnchangedPairsDifferOnlyInLight) {
  for (std::uint64_t i = 1; i < 12; i += 2) {
    const SynthPair pair = make_synth_pair(5, i, 128);
    EXPECT_EQ(pair.changeflag, 0);
    EXPECT_TRUE(find_components(pair.label).empty());
    EXPECT_NE(pair.before, pair.after);
    ASSERT_EQ(pair.captions.size(), 5u);
    for (const std::string& caption : pair.captions) EXPECT_TRUE(is_no_change_sentence(caption)) << caption;
  }
}

TEST(Synth, FlagsMasksAndWordsAgree) {
  int with_place = 0;
  std::set<std::string> kinds;
  for (std::uint64_t i = 0; i < 60; i += 2) {
    const SynthPair pair = make_synth_pair(9, i, 256);
    EXPECT_EQ(pair.changeflag, 1);
    EXPECT_FALSE(find_components(pair.label).empty());
    kinds.insert(pair.what);
    ASSERT_EQ(pair.captions.size(), 5u);
    ASSERT_EQ(pair.captions_zh.size(), 5u);
    const Place place = find_place(pair.label);
    const bool directed = place.stated && !(place.direction == Direction{});
    with_place += directed;
    for (const std::string& caption : pair.captions) {
      const std::vector<Direction> named = find_directions(caption);
      EXPECT_EQ(named, directed ? std::vector<Direction>{place.direction} : std::vector<Direction>{}) << caption;
      EXPECT_TRUE(rewrite_directions(caption, direction_map(1, true)).has_value()) << caption;
    }
    for (const std::string& caption : pair.captions_zh) EXPECT_NE(caption.find("画面"), std::string::npos);
    EXPECT_EQ(std::set<std::string>(pair.captions.begin(), pair.captions.end()).size(), 5u);
    EXPECT_EQ(std::set<std::string>(pair.captions_zh.begin(), pair.captions_zh.end()).size(), 5u);
  }
  EXPECT_GE(with_place, 20);
  EXPECT_EQ(kinds.size(), 3u);
}

TEST(Synth, PlacesAreNamedByTheMask) {
  Image label(100, 100, 1);
  const auto mark = [&](int x0, int y0, int x1, int y1) {
    label = Image(100, 100, 1);
    for (int y = y0; y < y1; ++y) std::fill(label.at(x0, y), label.at(x0, y) + (x1 - x0), std::uint8_t{255});
    return find_place(label);
  };
  EXPECT_EQ(mark(5, 5, 25, 25).direction, (Direction{-1, -1}));
  EXPECT_EQ(mark(70, 40, 90, 60).direction, (Direction{1, 0}));
  EXPECT_EQ(mark(5, 80, 95, 95).direction, (Direction{0, 1}));
  EXPECT_TRUE(mark(40, 40, 60, 60).stated);
  EXPECT_FALSE(mark(5, 5, 95, 95).stated);
  EXPECT_FALSE(mark(0, 0, 0, 0).stated);
}

TEST(Synth, WritesADataSetInLevirLayout) {
  Progress::set_quiet(true);
  const std::filesystem::path folder = test::fresh_folder("synth") / "set";
  SynthOptions options;
  options.out = folder.string();
  options.pairs = 5;
  options.size = 64;
  write_synth_dataset(options);
  const LevirIndex index = read_levir(folder);
  ASSERT_EQ(index.pairs.size(), 5u);
  EXPECT_EQ(pairs_of_split(index, "train").size(), 4u);
  EXPECT_EQ(pairs_of_split(index, "val").size(), 1u);
  for (std::size_t i = 0; i < 5; ++i) {
    const PairRecord& record = index.pairs[i];
    const SynthPair pair = make_synth_pair(options.seed, i, 64);
    EXPECT_EQ(read_rgb(record.before), pair.before);
    EXPECT_EQ(read_rgb(record.after), pair.after);
    EXPECT_EQ(read_mask(record.label), pair.label);
    EXPECT_EQ(record.captions, pair.captions);
    EXPECT_EQ(record.changeflag, pair.changeflag);
  }
  const Json file = read_json(folder / "LevirCCcaptions.json", ErrorKind::data);
  EXPECT_EQ(file["images"][0]["sentences_zh"].size(), 5u);
  EXPECT_EQ(file["images"][4]["sentences"][4]["sentid"], 24);
  EXPECT_TRUE(
      test::throws_user_error([&] { write_synth_dataset(options); }, ErrorKind::write, {"LevirCCcaptions.json"}));
  options.pairs = 0;
  EXPECT_TRUE(test::throws_user_error([&] { write_synth_dataset(options); }, ErrorKind::usage, {"pairs"}));
  EXPECT_TRUE(test::throws_user_error([&] { make_synth_pair(1, 0, 32); }, ErrorKind::usage, {"size", "32"}));
}

}  // namespace
}  // namespace cp
