#include "formats/peft_adapter.h"

#include <algorithm>
#include <cmath>
#include <set>

#include <fmt/format.h>
#include <fmt/ranges.h>

#include "core/file.h"

namespace cp {
namespace {

namespace fs = std::filesystem;

constexpr std::uint64_t kMaxConfigBytes = std::uint64_t{1} << 20;
constexpr const char* kConfigFile = "adapter_config.json";
constexpr const char* kWeightsFile = "adapter_model.safetensors";
constexpr const char* kPickleFile = "adapter_model.bin";
constexpr const char* kPrefix = "base_model.model.";

// How a file spells its names: PREFIX MODULE .lora_A INFIX .weight
struct Spelling {
  std::string prefix = kPrefix;
  std::string infix;  // "", or "." and the name of an adapter

  std::string name(const std::string& module, char matrix) const {
    return fmt::format("{}{}.lora_{}{}.weight", prefix, module, matrix, infix);
  }
};

// The spelling of the first A that belongs to the base. Names spelt otherwise then count as unknown, so that a file
// with two adapters, or with one name in two spellings, is refused.
Spelling spelling_of(const SafeTensors& file, const std::vector<LinearShape>& base) {
  std::set<std::string> modules;
  for (const LinearShape& linear : base) modules.insert(linear.name);
  for (const auto& [name, view] : file.tensors()) {
    static const std::string kA = ".lora_A", kWeight = ".weight";
    const std::size_t end = name.find(kA + ".");
    if (end == std::string::npos || !name.ends_with(kWeight)) continue;
    const std::size_t infix = end + kA.size();
    for (const std::string prefix : {kPrefix, "base_model.", ""})  // the second: adapters of a model without lm_head
      if (name.starts_with(prefix) && end >= prefix.size() &&
          modules.count(name.substr(prefix.size(), end - prefix.size())) != 0)
        return {prefix, name.substr(infix, name.size() - kWeight.size() - infix)};
  }
  return {};
}

SafeTensors open_weights(const fs::path& folder) {
  std::error_code ignored;
  if (!fs::exists(folder / kWeightsFile, ignored) && fs::exists(folder / kPickleFile, ignored))
    throw UserError(ErrorKind::model, (folder / kPickleFile).string(),
                    fmt::format("wanted {}, found a pickle, which can run any code and is not read.", kWeightsFile),
                    "Load it in PEFT where you trust it and save it again with save_pretrained(FOLDER).");
  SafeTensors file = SafeTensors::open(folder / kWeightsFile);
  if (file.tensors().empty())
    throw UserError(ErrorKind::model, file.where(), "the adapter is empty: the file holds no tensor.",
                    "It was saved from a model without an adapter, or from unsharded weights; save it again.");
  return file;
}

bool all_finite(const std::vector<float>& values) {
  return std::all_of(values.begin(), values.end(), [](float x) { return std::isfinite(x); });
}

float as_stored(float value, DType dtype) {
  if (dtype == DType::f16) return half_to_float(float_to_half(value));
  return dtype == DType::bf16 ? bfloat_to_float(float_to_bfloat(value)) : value;
}

}  // namespace

std::string lora_tensor_name(const std::string& module, char matrix) { return Spelling().name(module, matrix); }

Adapter read_adapter(const fs::path& folder, const std::vector<LinearShape>& base) {
  const fs::path config_file = folder / kConfigFile;
  Adapter adapter;
  adapter.config = parse_lora_config(read_file(config_file, kMaxConfigBytes, ErrorKind::model), config_file.string());
  const std::vector<LinearShape> targets = lora_targets(base, adapter.config, config_file.string());
  const SafeTensors file = open_weights(folder);
  const Spelling spelling = spelling_of(file, base);

  TensorExpectation expectation;
  for (const LinearShape& target : targets) {
    const int rank = lora_rank(adapter.config, target.name);
    expectation.want(spelling.name(target.name, 'A'), {rank, target.in});
    expectation.want(spelling.name(target.name, 'B'), {target.out, rank});
  }
  expectation.check(file);

  std::vector<std::string> bad;
  for (const LinearShape& target : targets) {
    LoraModule& module = adapter.modules[target.name];
    module.rank = lora_rank(adapter.config, target.name);
    module.scale = lora_scale(adapter.config, target.name);
    const auto read = [&](char matrix) {
      const std::string name = spelling.name(target.name, matrix);
      std::vector<float> values = file.floats(name, {-1, -1});
      if (!all_finite(values)) bad.push_back(name);
      return values;
    };
    module.a = read('A');
    module.b = read('B');
  }
  if (!bad.empty())
    throw UserError(ErrorKind::model, file.where(),
                    fmt::format("values that are not finite in:\n  {}\n", fmt::join(bad, "\n  ")),
                    "The training of this adapter went wrong; take an earlier checkpoint.");
  return adapter;
}

void write_adapter(const fs::path& folder, const LoraConfig& config, const std::map<std::string, LoraModule>& modules,
                   DType dtype) {
  CP_CHECK(!modules.empty(), "an adapter without modules");
  const std::string config_text = lora_config_text(config);
  std::vector<TensorToWrite> tensors;
  for (const auto& [name, module] : modules) {
    CP_CHECK(module.rank == lora_rank(config, name) && module.scale == lora_scale(config, name), name);
    const std::size_t rank = static_cast<std::size_t>(module.rank);
    CP_CHECK(!module.a.empty() && module.a.size() % rank == 0 && !module.b.empty() && module.b.size() % rank == 0,
             name);
    const auto in = static_cast<std::int64_t>(module.a.size() / rank),
               out = static_cast<std::int64_t>(module.b.size() / rank);
    tensors.push_back({lora_tensor_name(name, 'A'), {module.rank, in}, module.a, dtype});
    tensors.push_back({lora_tensor_name(name, 'B'), {out, module.rank}, module.b, dtype});
  }
  for (const TensorToWrite& tensor : tensors)
    for (const float value : tensor.values)
      if (!std::isfinite(as_stored(value, dtype)))
        throw UserError(ErrorKind::numeric, (folder / kWeightsFile).string(),
                        fmt::format("{} of {} is not finite as {}.", value, tensor.name, dtype_name(dtype)),
                        "The training went wrong; the adapter was not written.");
  write_safetensors(folder / kWeightsFile, tensors, {{"format", "pt"}});
  write_file_durable(folder / kConfigFile, config_text);
}

void add_lora(std::span<float> weight, const LoraModule& module, float sign) {
  const std::size_t rank = static_cast<std::size_t>(module.rank);
  CP_CHECK(rank > 0 && module.a.size() % rank == 0 && module.b.size() % rank == 0, "shapes of a LoRA module");
  const std::size_t in = module.a.size() / rank, out = module.b.size() / rank;
  CP_CHECK(weight.size() == out * in, "weight and LoRA module of different shapes");
  const float scale = sign * static_cast<float>(module.scale);
  std::vector<float> row(in);  // of B A
  for (std::size_t o = 0; o < out; ++o) {
    std::fill(row.begin(), row.end(), 0.0f);
    for (std::size_t k = 0; k < rank; ++k)
      for (std::size_t i = 0; i < in; ++i) row[i] += module.b[o * rank + k] * module.a[k * in + i];
    for (std::size_t i = 0; i < in; ++i) weight[o * in + i] += scale * row[i];
  }
}

}  // namespace cp
