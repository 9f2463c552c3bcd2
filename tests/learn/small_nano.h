#pragma once
// In:  nothing.
// Out: the configuration of a nano run that takes a second, on synthetic pairs; what such a run has written.
// Not here: the tests.

#include <filesystem>
#include <sstream>
#include <string>

#include "core/file.h"
#include "data/synth.h"
#include "learn/train.h"
#include "support/test_support.h"

namespace cp {

namespace fs = std::filesystem;

inline TrainConfig tiny_config(const std::string& run) {
  static const fs::path root = [] {
    const fs::path folder = test::fresh_folder("train");
    SynthOptions o;
    o.out = (folder / "data").string();
    o.pairs = 12, o.val_share = 0.25, o.seed = 4;
    write_synth_dataset(o);
    return folder;
  }();
  TrainConfig c;
  c.data = (root / "data").string();
  c.text_data = "", c.chinese = "";
  c.vision = (test::source_dir() / "models/nano/vision").string();
  c.out = (root / run).string();
  c.cache = (root / "cache").string();
  c.threads = 1, c.views = 2, c.folds = 0, c.seed = 3;
  c.language.hidden_size = 32, c.language.layers = 2, c.language.intermediate_size = 48, c.language.vocabulary = 320,
  c.language.concepts = 10;
  c.text.epochs = 1, c.text.batch_size = 8;
  c.map.epochs = 2, c.map.batch_size = 4;
  c.caption.epochs = 2, c.caption.batch_size = 2;
  c.head.epochs = 2, c.head.batch_size = 4, c.head.draws = 2;
  return c;
}

inline std::string weights(const TrainConfig& c) {
  return read_file(fs::path(c.out) / "checkpoints/last/training_state/weights.safetensors", 1 << 28, ErrorKind::model);
}

inline int count_lines(const TrainConfig& c) {
  std::istringstream text(read_file(fs::path(c.out) / "metrics.jsonl", 1 << 24, ErrorKind::data));
  int n = 0;
  for (std::string line; std::getline(text, line);) ++n;
  return n;
}

}  // namespace cp
