#include "cli/model.h"

#include <filesystem>

#include <fmt/format.h>

#include "cli/parse.h"
#include "formats/quantize_folder.h"
#include "runtime/assemble.h"
#include "runtime/check_model.h"

namespace cp {
namespace {

constexpr const char* kHelp =
    "changepilot model COMMAND ...\n\n"
    "  new --vision DIR --language DIR --out DIR   assemble a model from Hugging Face folders\n"
    "  info DIR                                    say what a model, language, vision or adapter folder holds\n"
    "  check DIR                                   read every part of a model and compare it with its sha256\n"
    "  quantize DIR --out DIR                      store a language folder in 4-bit NF4\n"
    "  merge DIR --adapter DIR --out DIR           add a LoRA adapter to the weights of a language folder\n"
    "  generate DIR --prompt TEXT                  let the language model of a folder continue a text\n\n"
    "`changepilot model COMMAND --help` says more.\n";

int run_new(const std::vector<std::string>& args) {
  CommandLine line("model new", "Assembles a model from Hugging Face folders; fusion and action head are untrained.");
  AssembleOptions options;
  std::string out;
  line.options(options);
  line.option("out", out, "folder to make; must not exist", CommandLine::Need::required);
  line.epilogue(
      "changepilot model new --vision clip-vit-base-patch32 --language Qwen2.5-0.5B-Instruct --fusion concat --out "
      "mine");
  if (!line.parse(args)) return 0;
  assemble_model(options, out);
  fmt::print("written: {}\nIts fusion and action head are untrained: answers mean nothing until it is trained.\n", out);
  return 0;
}

int run_check(const std::vector<std::string>& args) {
  CommandLine line("model check",
                   "Reads every part of a model folder as an answer would and compares it with its sha256.");
  std::string folder;
  line.positional("dir", folder, "model folder");
  line.epilogue(
      "Exit code 0: complete and sound. 4: the message lists what is missing, unknown, mis-shaped, changed or not "
      "finite.");
  if (!line.parse(args)) return 0;
  const ModelManifest m = check_model(folder);
  fmt::print("{}: sound ({} files, {} vision, {} fusion, {} head)\n", folder, m.files.size(), m.vision.kind,
             m.fusion.kind, m.head.kind);
  return 0;
}

int run_quantize(const std::vector<std::string>& args) {
  CommandLine line("model quantize", "Stores the linear layers of a language folder in bitsandbytes' NF4.");
  std::string from, out;
  QuantizeOptions options;
  bool single = false;
  line.positional("dir", from, "language folder in Hugging Face's form");
  line.option("out", out, "folder to make; must not exist", CommandLine::Need::required);
  line.flag("single", single, "no double quantisation: scales stay float32");
  line.flag("int8_embedding", options.int8_embedding,
            "embedding and head as int8 (transformers does not read such a folder)");
  line.option("compute_dtype", options.compute_dtype, "what transformers computes in: float32, float16 or bfloat16");
  if (!line.parse(args)) return 0;
  options.double_quant = !single;
  quantize_language_folder(from, out, options);
  fmt::print("written: {}\n", out);
  return 0;
}

int run_merge(const std::vector<std::string>& args) {
  CommandLine line("model merge", "Adds a LoRA adapter to the weights of a language folder, or takes it out again.");
  std::string from, adapter, out;
  bool undo = false;
  line.positional("dir", from, "dense language folder in Hugging Face's form");
  line.option("adapter", adapter, "PEFT folder", CommandLine::Need::required);
  line.option("out", out, "folder to make; must not exist", CommandLine::Need::required);
  line.flag("undo", undo, "subtract it: the folder holds merged weights (right up to the rounding of their dtype)");
  if (!line.parse(args)) return 0;
  merge_language_folder(from, adapter, out, undo ? -1.f : 1.f);
  fmt::print("written: {}\n", out);
  return 0;
}

}  // namespace

int run_model(const std::vector<std::string>& args) {
  const std::string command = args.empty() ? "" : args.front();
  if (command == "--help" || command == "-h") {
    fmt::print("{}", kHelp);
    return 0;
  }
  const std::vector<std::string> rest(args.begin() + (args.empty() ? 0 : 1), args.end());
  if (command == "new") return run_new(rest);
  if (command == "info") return run_model_info(rest);
  if (command == "check") return run_check(rest);
  if (command == "quantize") return run_quantize(rest);
  if (command == "merge") return run_merge(rest);
  if (command == "generate") return run_model_generate(rest);
  const std::string near = nearest(command, {"new", "info", "check", "quantize", "merge", "generate"});
  throw UserError(ErrorKind::usage, "model",
                  fmt::format("wanted new, info, check, quantize, merge or generate, found \"{}\".", command),
                  near.empty() ? "See `changepilot model --help`." : fmt::format("Did you mean \"{}\"?", near));
}

}  // namespace cp
