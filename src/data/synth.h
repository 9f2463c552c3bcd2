#pragma once
// In:  a seed and a number.
// Out: a synthetic pair of aerial-like images (about 0.5 m per pixel) with change mask, captions and flag; data sets of
// such
//      pairs in LEVIR-CC layout. The same bytes on every platform: everything is integer arithmetic.
// Not here: layout (synth_scene.h), drawing (synth_render.h), words (synth_words.h).

#include <cstdint>
#include <filesystem>
#include <string>
#include <vector>

#include "image/image.h"

namespace cp {

struct SynthPair {
  Image before, after;                   // (size size 3)
  Image label;                           // (size size 1): 0 none, 128 road, 255 building
  std::vector<std::string> captions;     // five, English, in LEVIR-CC's words
  std::vector<std::string> captions_zh;  // five, Chinese
  int changeflag = 0;
  std::string what;  // "none", "houses built", "houses removed", "road built"
};

// Pairs with an even index are changed, pairs with an odd index are not: those differ by light, season, cars, noise and
// half a pixel of misregistration only. Trees are planted or removed only along with houses and roads, so that a flag
// always agrees with its mask. `size` 64 to 1024; throws UserError(usage) otherwise.
SynthPair make_synth_pair(std::uint64_t seed, std::uint64_t index, int size = 256);

struct SynthOptions {
  std::string out;
  int pairs = 100;
  std::uint64_t seed = 1;
  int size = 256;
  double val_share = 0.2;
  template <class V>
  void fields(V& v) {
    v("out", out, "folder to make, in LEVIR-CC layout");
    v("pairs", pairs, "number of pairs; every second one is changed");
    v("seed", seed, "the same seed gives the same files");
    v("size", size, "width and height in pixels, 64 to 1024");
    v("val_share", val_share, "share of the pairs that goes to the split \"val\" (the last ones)");
  }
};

// Writes images/{train,val}/{A,B,label}/NAME.png, then LevirCCcaptions.json (each record has LEVIR-CC's fields and
// "sentences_zh"). Throws UserError(usage) for bad options, UserError(write) when the folder holds a caption file
// already.
void write_synth_dataset(const SynthOptions& options);

}  // namespace cp
