#include "formats/quantize_folder.h"

#include <fmt/format.h>

#include "core/file.h"
#include "core/json.h"
#include "core/new_folder.h"
#include "core/progress.h"
#include "formats/int8_rows.h"
#include "formats/language_weights.h"
#include "formats/model_folder.h"
#include "formats/nf4.h"

namespace cp {

namespace {

namespace fs = std::filesystem;

constexpr std::uint64_t kMaxSideFile = std::uint64_t{256} << 20;

bool is_side_file(const fs::path& file) {
  const fs::path name = file.filename();
  return (name.extension() == ".json" || name.extension() == ".jinja") && name != "config.json" &&
         name != "model.safetensors.index.json";
}

// Configuration, weights and everything that stands beside them.
void write_language_folder(const fs::path& from, NewFolder& folder, const std::vector<TensorToWrite>& tensors,
                           const std::optional<Nf4Config>& nf4) {
  for (const fs::directory_entry& entry : fs::directory_iterator(from))
    if (entry.is_regular_file() && is_side_file(entry.path()))
      write_file_durable(folder.path() / entry.path().filename(),
                         read_file(entry.path(), kMaxSideFile, ErrorKind::model));
  Json config = read_json(from / "config.json", ErrorKind::model);  // whole: also what only transformers reads
  if (nf4) config["quantization_config"] = quantization_json(*nf4);
  write_file_durable(folder.path() / "config.json", config.dump(2) + "\n");
  write_safetensors(folder.path() / "model.safetensors", tensors, {{"format", "pt"}});
  folder.publish();
}

struct Dense {
  LanguageConfig config;
  SafeTensors file;
};

Dense open_dense(const fs::path& folder) {
  if (fs::exists(folder / kManifestFile))
    throw UserError(ErrorKind::model, folder.string(), "is a model folder, wanted that of a language model.",
                    "Give the folder that its changepilot.json names under \"language\".");
  Dense dense{read_language_config(folder / "config.json"), SafeTensors::open(folder)};
  check_language_weights(dense.config, dense.file);
  if (dense.config.nf4)
    throw UserError(ErrorKind::model, folder.string(), "the weights are quantised already.",
                    "Start from the dense folder.");
  return dense;
}

// Every tensor of the file; `change` puts those of PREFIX.weight into the list and says so, others are copied.
template <class Change>
std::vector<TensorToWrite> changed_tensors(const SafeTensors& file, const char* title, Change change) {
  std::vector<TensorToWrite> out;
  Progress progress(title, file.tensors().size(), "tensors");
  for (const auto& [name, view] : file.tensors()) {
    const std::string prefix = name.ends_with(".weight") ? name.substr(0, name.size() - 7) : "";
    if (prefix.empty() || !change(prefix, view, out))
      out.push_back({name, view.shape, {}, view.dtype, std::string(view.bytes)});
    progress.advance();
  }
  progress.finish();
  return out;
}

const LinearShape* find(const std::vector<LinearShape>& linears, const std::string& name) {
  for (const LinearShape& linear : linears)
    if (linear.name == name) return &linear;
  return nullptr;
}

}  // namespace

void quantize_language_folder(const fs::path& from, const fs::path& to, const QuantizeOptions& options) {
  if (options.compute_dtype != "float32" && options.compute_dtype != "float16" && options.compute_dtype != "bfloat16")
    throw UserError(ErrorKind::usage, "--compute-dtype",
                    fmt::format("wanted float32, float16 or bfloat16, found \"{}\".", options.compute_dtype), "");
  NewFolder folder(to);
  const Dense dense = open_dense(from);
  const std::vector<LinearShape> linears = language_linears(dense.config);
  const auto tensors = changed_tensors(
      dense.file, "quantising",
      [&](const std::string& prefix, const TensorView& view, std::vector<TensorToWrite>& out) {
        const bool table = options.int8_embedding && (prefix == "model.embed_tokens" || prefix == "lm_head");
        if (!table && !find(linears, prefix)) return false;
        const int rows = static_cast<int>(view.shape[0]), cols = static_cast<int>(view.shape[1]);
        const std::vector<float> values = dense.file.floats(prefix + ".weight", view.shape);
        const std::string where = fmt::format("{}, {}", dense.file.where(), prefix);
        if (table)
          append_int8_rows(out, prefix, quantize_int8_rows(values, rows, cols, where));
        else
          append_nf4(out, prefix, quantize_nf4(values, rows, cols, options.double_quant, view.dtype, where));
        return true;
      });
  write_language_folder(from, folder, tensors, Nf4Config{options.double_quant, options.compute_dtype});
}

void merge_language_folder(const fs::path& from, const fs::path& adapter_folder, const fs::path& to, float sign) {
  NewFolder folder(to);
  const Dense dense = open_dense(from);
  const Adapter adapter = read_adapter(adapter_folder, language_linears(dense.config));
  const auto tensors = changed_tensors(
      dense.file, "merging", [&](const std::string& prefix, const TensorView& view, std::vector<TensorToWrite>& out) {
        const auto module = adapter.modules.find(prefix);
        if (module == adapter.modules.end()) return false;
        std::vector<float> values = dense.file.floats(prefix + ".weight", view.shape);
        add_lora(values, module->second, sign);
        out.push_back({prefix + ".weight", view.shape, {}, view.dtype, encode_floats(values, view.dtype)});
        if (!is_finite({view.dtype, view.shape, out.back().bytes}))
          throw UserError(
              ErrorKind::numeric, fmt::format("{}, {}.weight", dense.file.where(), prefix),
              fmt::format("with the adapter it holds values that are not finite as {}.", dtype_name(view.dtype)),
              "Merge into a folder of float32 or bfloat16, whose range is larger.");
        return true;
      });
  write_language_folder(from, folder, tensors, std::nullopt);
}

}  // namespace cp
