#pragma once
// In:  tests/golden/formats/peft (made by tests/oracle/peft_adapters.py).
// Out: the tiny model, the adapter folders, and what PEFT computed with each.
// Not here: the tests (formats/peft_adapter_test.cpp, learn/lora_test.cpp).

#include <algorithm>
#include <cmath>

#include "formats/peft_adapter.h"
#include "support/test_support.h"

namespace cp::test {

inline constexpr std::size_t kPeftCases = 34;

inline LanguageConfig peft_language() {
  LanguageConfig c;
  c.hidden_size = 16, c.num_hidden_layers = 2, c.num_attention_heads = 4, c.num_key_value_heads = 2;
  c.intermediate_size = 24, c.vocab_size = 11, c.head_dim = 4, c.tie_word_embeddings = true;
  return c;
}

struct PeftGolden {
  std::vector<LinearShape> linears = language_linears(peft_language());
  SafeTensors base = SafeTensors::open(golden("formats/peft/base.safetensors"));
  SafeTensors expected = SafeTensors::open(golden("formats/peft/expected.safetensors"));
  std::vector<std::string> cases;

  PeftGolden() {
    for (const auto& entry : std::filesystem::directory_iterator(golden("formats/peft/cases")))
      cases.push_back(entry.path().filename().string());
    std::sort(cases.begin(), cases.end());
  }
  std::filesystem::path folder(const std::string& name) const { return golden("formats/peft/cases") / name; }
  Adapter read(const std::string& name) const { return read_adapter(folder(name), linears); }
  std::vector<float> want(const std::string& name, const std::string& what) const {
    return expected.floats(name + "/" + what,
                           what == "logits" ? std::vector<std::int64_t>{-1, -1} : std::vector<std::int64_t>{-1});
  }
  std::vector<float> weight(const LinearShape& linear) const {
    return base.floats(linear.name + ".weight", {linear.out, linear.in});
  }
};

// The oracle's input of a linear module: cos(n^2), n from 1.
inline std::vector<float> peft_probe(std::int64_t width) {
  std::vector<float> x;
  for (std::int64_t n = 1; n <= width; ++n) x.push_back(static_cast<float>(std::cos(static_cast<double>(n * n))));
  return x;
}

// Weight + adapter times the probe, of every module in order; without the base's weight on demand.
inline std::vector<float> peft_outputs(const PeftGolden& golden, const std::map<std::string, LoraModule>& modules,
                                       bool with_base) {
  std::vector<float> y;
  for (const LinearShape& linear : golden.linears) {
    std::vector<float> weight = golden.weight(linear);
    if (!with_base) std::fill(weight.begin(), weight.end(), 0.0f);
    if (const auto found = modules.find(linear.name); found != modules.end()) add_lora(weight, found->second);
    const std::vector<float> x = peft_probe(linear.in);
    for (std::size_t o = 0; o < static_cast<std::size_t>(linear.out); ++o) {
      double sum = 0;
      for (std::size_t i = 0; i < x.size(); ++i) sum += static_cast<double>(weight[o * x.size() + i]) * x[i];
      y.push_back(static_cast<float>(sum));
    }
  }
  return y;
}

}  // namespace cp::test
