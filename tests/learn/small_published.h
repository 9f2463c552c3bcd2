#pragma once
// In:  nothing.
// Out: a configuration of the published design that trains in a second: 12 synthetic pairs, a language model of width
//      32, EfficientNet-Lite0's pooled features.
// Not here: the tests.

#include "data/synth.h"
#include "learn/published_config.h"
#include "runtime/small_folders.h"

namespace cp::test {

inline PublishedConfig small_published(const std::string& run) {
  static const std::filesystem::path root = [] {
    const std::filesystem::path folder = fresh_folder("published");
    SynthOptions o;
    o.out = (folder / "data").string();
    o.pairs = 12, o.val_share = 0.25, o.seed = 4;
    write_synth_dataset(o);
    return folder;
  }();
  static const std::filesystem::path language = make_small_language("published_language");
  PublishedConfig c;
  c.data = (root / "data").string();
  c.vision = (source_dir() / "models/nano/vision").string();
  c.language = language.string();
  c.out = (root / run).string();
  c.cache = (root / "cache").string();
  c.threads = 1, c.views = 2, c.seed = 3;
  c.fusion.width = 24;
  c.lora.r = 2, c.lora.alpha = 4;
  c.caption.epochs = 2, c.caption.batch_size = 2, c.caption.warmup_steps = 1, c.caption.unchanged_share = 1;
  c.head.epochs = 2, c.head.batch_size = 4, c.head.draws = 2, c.head.warmup_steps = 1;
  return c;
}

}  // namespace cp::test
