// `changepilot model generate`: the language model of a folder alone, for trying it and for comparing it with others.
#include <sys/resource.h>

#include <chrono>
#include <filesystem>

#include <fmt/format.h>

#include "cli/model.h"
#include "cli/parse.h"
#include "formats/model_folder.h"
#include "runtime/beam.h"
#include "runtime/language_model.h"
#include "text/bpe_tokenizer.h"

namespace cp {
namespace {

namespace fs = std::filesystem;

struct GenerateOptions {
  std::string folder, adapter, prompt, logits;
  std::vector<int> ids;
  int max_new_tokens = 64, beams = 1;
  bool json = false, fast = false;
};

double seconds_since(std::chrono::steady_clock::time_point start) {
  return std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
}

double peak_megabytes() {
  rusage usage{};
  getrusage(RUSAGE_SELF, &usage);
  return static_cast<double>(usage.ru_maxrss) / 1024;
}

// The language folder of a model folder, or the folder itself; and the adapter that the model has.
fs::path language_folder(GenerateOptions& o) {
  if (!fs::exists(fs::path(o.folder) / kManifestFile)) return o.folder;
  const ModelManifest m = read_manifest(o.folder);
  if (o.adapter.empty() && !m.language.adapter.empty()) o.adapter = part_path(o.folder, m.language.adapter).string();
  return part_path(o.folder, m.language.path);
}

void check_ids(const std::vector<int>& ids, int vocabulary) {
  if (ids.empty())
    throw UserError(ErrorKind::usage, "--prompt", "the prompt has no tokens.", "Give --prompt TEXT or --ids 1,2,3.");
  for (const int id : ids)
    if (id < 0 || id >= vocabulary)
      throw UserError(ErrorKind::usage, "--ids", fmt::format("wanted 0 to {}, found {}.", vocabulary - 1, id), "");
}

}  // namespace

int run_model_generate(const std::vector<std::string>& args) {
  CommandLine line("model generate", "Lets the language model of a folder continue a text, token by token.");
  GenerateOptions o;
  line.positional("dir", o.folder, "language folder in Hugging Face's form, or a model folder");
  line.option("prompt", o.prompt, "text to continue, as it is (no template)");
  line.option("ids", o.ids, "token ids to continue instead, for folders without a tokenizer");
  line.option("adapter", o.adapter, "PEFT folder to put on");
  line.option("max_new_tokens", o.max_new_tokens, "tokens to write at most");
  line.option("beams", o.beams, "beams of the search; 1: greedy");
  line.option("logits", o.logits, "safetensors file to write the prompt's logits into, (T V), to compare with others'");
  line.flag("fast", o.fast, "products with NF4 and int8 weights as `infer` computes them, not in float32");
  line.flag("json", o.json, "print JSON");
  if (!line.parse(args)) return 0;
  if (o.max_new_tokens < 1 || o.beams < 1 || o.beams > 64)
    throw UserError(ErrorKind::usage, "model generate", "wanted at least one token and 1 to 64 beams.", "");

  const auto start = std::chrono::steady_clock::now();
  const fs::path folder = language_folder(o);
  LanguageModel model = LanguageModel::load(folder, o.fast ? Products::fast : Products::exact);
  if (!o.adapter.empty()) model.attach(read_adapter(o.adapter, language_linears(model.config())));
  const double load_s = seconds_since(start);
  std::optional<BpeTokenizer> tokenizer;
  if (o.ids.empty() || fs::exists(folder / "tokenizer.json")) tokenizer = BpeTokenizer::load(folder / "tokenizer.json");
  if (o.ids.empty()) o.ids = tokenizer->encode(o.prompt);
  check_ids(o.ids, model.config().vocab_size);
  const std::size_t most = static_cast<std::size_t>(model.config().max_position_embeddings);
  if (o.ids.size() + static_cast<std::size_t>(o.max_new_tokens) > most)
    throw UserError(ErrorKind::usage, "--max-new-tokens",
                    fmt::format("the prompt has {} tokens and the answer {}, the model reads {}.", o.ids.size(),
                                o.max_new_tokens, most),
                    "Ask for fewer.");

  const auto prefill_start = std::chrono::steady_clock::now();
  LanguageModel::Cache cache;
  const std::vector<float> hidden = model.prefill(model.embed(o.ids), cache);
  const std::vector<float> next = model.logits(std::span(hidden).last(static_cast<std::size_t>(model.hidden())));
  const double prefill_s = seconds_since(prefill_start);
  if (!o.logits.empty()) {
    const std::vector<float> all = model.logits(hidden);
    write_safetensors(
        o.logits, {{"logits", {static_cast<std::int64_t>(o.ids.size()), model.config().vocab_size}, all, DType::f32}});
  }

  BeamOptions search;
  search.beams = o.beams;
  search.max_new_tokens = o.max_new_tokens;
  search.length_penalty = 1;
  if (!model.config().eos_token_ids.empty()) search.end_token = model.config().eos_token_ids.front();
  if (tokenizer)
    for (int id = 0; id < model.config().vocab_size; ++id) search.suppressed.push_back(id >= tokenizer->size());
  const auto decode_start = std::chrono::steady_clock::now();
  const std::vector<Hypothesis> found = beam_search(
      next,
      [&](std::span<const int> tokens, std::span<const int> parents) -> std::span<const float> {
        return model.logits(model.step(tokens, parents, cache), 0, cache);
      },
      search);
  const double decode_s = seconds_since(decode_start);

  const std::vector<int>& written = found.front().tokens;
  const std::string text = tokenizer ? tokenizer->decode(written) : "";
  if (o.json) {
    OrderedJson json = {{"text", text},
                        {"ids", written},
                        {"prompt_ids", o.ids},
                        {"load_s", load_s},
                        {"prefill_s", prefill_s},
                        {"tokens_per_s", static_cast<double>(written.size()) / decode_s},
                        {"peak_mb", peak_megabytes()}};
    fmt::print("{}\n", json.dump(2, ' ', false, OrderedJson::error_handler_t::replace));
    return 0;
  }
  if (tokenizer)
    fmt::print("{}\n", text);
  else
    fmt::print("{}\n", fmt::join(written, " "));
  fmt::print("load {:.2f} s, prompt of {} tokens {:.2f} s, {} tokens at {:.1f} a second, peak memory {:.0f} MB\n",
             load_s, o.ids.size(), prefill_s, written.size(), static_cast<double>(written.size()) / decode_s,
             peak_megabytes());
  return 0;
}

}  // namespace cp
