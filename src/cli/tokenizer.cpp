#include "cli/tokenizer.h"

#include <charconv>
#include <cstdio>
#include <filesystem>
#include <set>

#include <fmt/format.h>

#include "cli/parse.h"
#include "core/file.h"
#include "core/json.h"
#include "data/levir.h"
#include "text/bpe_tokenizer.h"
#include "text/bpe_trainer.h"
#include "text/unicode.h"

namespace cp {
namespace {

namespace fs = std::filesystem;

constexpr std::uint64_t kMostTextBytes = std::uint64_t{1} << 30;
constexpr std::size_t kMostInputBytes = std::size_t{64} << 20;

constexpr const char* kHelp =
    "changepilot tokenizer COMMAND ...\n\n"
    "  train --texts FILE... --vocabulary-size N --out DIR   train a byte-level BPE vocabulary\n"
    "  encode --tokenizer FILE [TEXT]                        text (else standard input) to ids\n"
    "  decode --tokenizer FILE [ID ...]                      ids (else standard input) to text\n\n"
    "`changepilot tokenizer COMMAND --help` says more.\n";

struct TrainOptions {
  std::vector<std::string> texts, special_tokens = BpeTrainerOptions{}.added_tokens;
  std::string out;
  int vocabulary_size = BpeTrainerOptions{}.vocabulary_size, min_frequency = BpeTrainerOptions{}.min_frequency;
  bool leading_blank = false;
};

// Captions of a *.json in LEVIR-CC layout; of any other file its lines. Empty ones are left out.
void add_texts(const std::string& path, std::vector<std::string>& texts) {
  if (fs::path(path).extension() == ".json") {
    for (const PairRecord& pair : read_levir_captions(path).pairs)
      texts.insert(texts.end(), pair.captions.begin(), pair.captions.end());
    return;
  }
  const std::string content = read_file(path, kMostTextBytes, ErrorKind::data);
  int number = 0;
  for (std::size_t begin = 0; begin < content.size();) {
    const std::size_t end = std::min(content.find('\n', begin), content.size());
    std::string line = content.substr(begin, end - begin);
    begin = end + 1;
    ++number;
    if (line.ends_with('\r')) line.pop_back();
    if (replace_invalid_utf8(line) != line)
      throw UserError(ErrorKind::data, fmt::format("{}, line {}", path, number), "not valid UTF-8.",
                      "Save the text as UTF-8.");
    if (!line.empty()) texts.push_back(std::move(line));
  }
}

int run_train(const std::vector<std::string>& args) {
  CommandLine line("tokenizer train", "Trains a byte-level BPE vocabulary of Qwen2's kind.");
  TrainOptions o;
  std::vector<std::string> more;
  line.option("texts", o.texts, "files of texts: one a line, or captions as LEVIR-CC's JSON",
              CommandLine::Need::required);
  line.rest("file", more, "further files of texts");
  line.option("vocabulary_size", o.vocabulary_size, "number of ids: 256 bytes, merges, special tokens");
  line.option("min_frequency", o.min_frequency, "how often a pair must occur to be merged");
  line.option("special_tokens", o.special_tokens, "tokens that no text gives, with the last ids");
  line.flag("leading_blank", o.leading_blank,
            "train on each text with a blank before it, as the plain template has it");
  line.option("out", o.out, "folder to write tokenizer.json and tokenizer_config.json into",
              CommandLine::Need::required);
  line.epilogue(
      "changepilot tokenizer train --texts captions.txt LevirCCcaptions.json --vocabulary-size 1200 --out tok");
  if (!line.parse(args)) return 0;
  const std::set<std::string> distinct(o.special_tokens.begin(), o.special_tokens.end());
  if (distinct.size() != o.special_tokens.size() || distinct.count("") != 0)
    throw UserError(ErrorKind::usage, "--special-tokens", "wanted different tokens, none of them empty.", "");
  if (o.min_frequency < 1)
    throw UserError(ErrorKind::usage, "--min-frequency", fmt::format("wanted 1 or more, found {}.", o.min_frequency),
                    "");

  std::vector<std::string> texts;
  o.texts.insert(o.texts.end(), more.begin(), more.end());
  for (const std::string& path : o.texts) add_texts(path, texts);
  if (texts.empty()) throw UserError(ErrorKind::data, o.texts.front(), "holds no text.", "");
  const std::size_t count = texts.size();
  if (o.leading_blank)
    for (std::string& text : texts) text.insert(0, 1, ' ');

  const std::string json = train_bpe(texts, {o.vocabulary_size, o.min_frequency, o.special_tokens});
  const fs::path folder = o.out;
  // Read back before it is written: a special token may be what merges made.
  const BpeTokenizer tokenizer = BpeTokenizer::parse(json, (folder / "tokenizer.json").string());
  OrderedJson config = {
      {"tokenizer_class", "Qwen2Tokenizer"}, {"add_prefix_space", false}, {"clean_up_tokenization_spaces", false}};
  if (distinct.count("<|im_end|>") != 0) config["eos_token"] = "<|im_end|>";
  if (distinct.count("<|endoftext|>") != 0) config["pad_token"] = "<|endoftext|>";
  write_file_durable(folder / "tokenizer.json", json);
  write_file_durable(folder / "tokenizer_config.json", config.dump(2) + "\n");
  fmt::print("{} ids from {} texts in {}\n", tokenizer.size(), count, o.out);
  return 0;
}

BpeTokenizer load(const std::string& name) {
  fs::path path = name;
  std::error_code ignored;
  for (const char* inside : {"tokenizer.json", "language/tokenizer.json"})
    if (fs::exists(path / inside, ignored)) path /= inside;
  return BpeTokenizer::load(path);
}

std::string read_stdin() {
  std::string text;
  char part[1 << 16];
  while (const std::size_t n = std::fread(part, 1, sizeof part, stdin)) {
    text.append(part, n);
    if (text.size() > kMostInputBytes)
      throw UserError(ErrorKind::data, "standard input", fmt::format("wanted at most {} bytes.", kMostInputBytes), "");
  }
  return text;
}

int run_encode(const std::vector<std::string>& args) {
  CommandLine line("tokenizer encode", "Prints the ids of a text.");
  std::string name, text;
  std::vector<std::string> words;
  bool json = false, control = false;
  line.option("tokenizer", name, "tokenizer.json, or a folder that holds one", CommandLine::Need::required);
  line.rest("text", words, "the text; standard input, without its last newline, if absent");
  line.flag("control", control, "added tokens in the text become their ids, as in the program's own templates");
  line.flag("json", json, "print ids and tokens as JSON");
  if (!line.parse(args)) return 0;
  const BpeTokenizer tokenizer = load(name);
  if (words.empty()) {
    text = read_stdin();
    if (text.ends_with('\n')) text.pop_back();
  }
  for (std::size_t i = 0; i < words.size(); ++i) text += (i > 0 ? " " : "") + words[i];
  const std::vector<int> ids = control ? tokenizer.encode_with_control(text) : tokenizer.encode(text);
  if (json) {
    std::vector<std::string> tokens;
    for (const int id : ids) tokens.push_back(tokenizer.decode({id}, /*keep_control=*/true));
    fmt::print("{}\n", OrderedJson{{"ids", ids}, {"tokens", tokens}}.dump());
  } else {
    fmt::print("{}\n", fmt::join(ids, " "));
  }
  return 0;
}

int run_decode(const std::vector<std::string>& args) {
  CommandLine line("tokenizer decode", "Prints the text of ids.");
  std::string name;
  std::vector<std::string> words;
  bool json = false, control = false;
  line.option("tokenizer", name, "tokenizer.json, or a folder that holds one", CommandLine::Need::required);
  line.rest("id", words, "ids; standard input if absent");
  line.flag("control", control, "keep special added tokens in the text");
  line.flag("json", json, "print the text as JSON");
  if (!line.parse(args)) return 0;
  const BpeTokenizer tokenizer = load(name);
  std::string input = words.empty() ? read_stdin() : fmt::format("{}", fmt::join(words, " "));
  std::vector<int> ids;
  for (std::size_t begin = input.find_first_not_of(" ,\t\r\n"); begin < input.size();) {
    const std::size_t end = std::min(input.find_first_of(" ,\t\r\n", begin), input.size());
    int id = -1;
    const auto [stop, error] = std::from_chars(input.data() + begin, input.data() + end, id);
    if (error != std::errc() || stop != input.data() + end || id < 0 || id >= tokenizer.size())
      throw UserError(ErrorKind::usage, "ids",
                      fmt::format("wanted whole numbers from 0 to {}, found \"{}\".", tokenizer.size() - 1,
                                  replace_invalid_utf8(input.substr(begin, end - begin))),
                      "");
    ids.push_back(id);
    begin = input.find_first_not_of(" ,\t\r\n", end);
  }
  const std::string text = tokenizer.decode(ids, control);
  fmt::print("{}\n", json ? OrderedJson{{"text", text}}.dump() : text);
  return 0;
}

}  // namespace

int run_tokenizer(const std::vector<std::string>& args) {
  const std::string command = args.empty() ? "" : args.front();
  if (command == "--help" || command == "-h") {
    fmt::print("{}", kHelp);
    return 0;
  }
  const std::vector<std::string> rest(args.begin() + (args.empty() ? 0 : 1), args.end());
  if (command == "train") return run_train(rest);
  if (command == "encode") return run_encode(rest);
  if (command == "decode") return run_decode(rest);
  const std::string near = nearest(command, {"train", "encode", "decode"});
  throw UserError(ErrorKind::usage, "tokenizer", fmt::format("wanted train, encode or decode, found \"{}\".", command),
                  near.empty() ? "See `changepilot tokenizer --help`." : fmt::format("Did you mean \"{}\"?", near));
}

}  // namespace cp
