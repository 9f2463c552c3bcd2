#include "text/chat_template.h"

#include <algorithm>

#include <fmt/format.h>

#include "core/error.h"
#include "core/file.h"
#include "core/json.h"

namespace cp {
namespace {

namespace fs = std::filesystem;

constexpr std::uint64_t kMostTemplateBytes = 1 << 20, kMostConfigBytes = 16 << 20;
constexpr const char* kStart = "<|im_start|>";

struct Known {
  const char *name, *default_system;
  // Of the template's text without white space at its end; empty: recognised by name only.
  const char* sha256;
};

// Qwen2.5's hash is that of the Instruct models' tokenizer_config.json (with its last newline: cd8e9439f057...),
// SmolLM2's that of SmolLM2-135M-Instruct.
constexpr Known kKnown[] = {
    {"qwen2.5", "You are Qwen, created by Alibaba Cloud. You are a helpful assistant.",
     "55b2f4a26ac9ee719330a61a0c39d9e538b0e9322212f048326318cff4f8674a"},
    {"smollm2", "You are a helpful AI assistant named SmolLM, trained by Hugging Face",
     "872be49dbb638044ad01b60388f48d469ff2980e5f0dccdc22ec907db54d0788"},
    {"chatml", "", ""},
};

const char* kOverride =
    "Choose a form with `changepilot model new --template NAME`: qwen2.5, smollm2, chatml or plain.";

std::string without_trailing_space(const std::string& text) {
  return text.substr(0, text.find_last_not_of(" \t\r\n") + 1);
}

// The template of tokenizer_config.json.
std::string configured_template(const fs::path& path) {
  const std::string where = path.string();
  std::error_code ignored;
  if (!fs::exists(path, ignored))
    throw UserError(ErrorKind::model, where, "wanted a chat template, found no such file.", kOverride);
  const Json config = read_json(path, ErrorKind::model, kMostConfigBytes);
  if (!config.is_object() || !config.contains("chat_template") || config["chat_template"].is_null())
    throw UserError(ErrorKind::model, where, "\"chat_template\": wanted a chat template, found none.", kOverride);
  const Json& value = config["chat_template"];
  if (!value.is_array()) return json_string(config, "chat_template", where, ErrorKind::model);
  for (const Json& named : value)
    if (json_string(named, "name", where, ErrorKind::model) == "default")
      return json_string(named, "template", where, ErrorKind::model);
  throw UserError(ErrorKind::model, where, "\"chat_template\": wanted one with the name \"default\", found none.",
                  kOverride);
}

}  // namespace

ChatTemplate chat_template(const std::string& name, const std::string& where) {
  for (const Known& known : kKnown)
    if (name == known.name) return {known.name, known.default_system};
  throw UserError(ErrorKind::model, where,
                  fmt::format("\"template\": wanted plain, qwen2.5, smollm2 or chatml, found \"{}\".", name), "");
}

ChatTemplate read_chat_template(const fs::path& language_folder) {
  const fs::path beside = language_folder / "chat_template.jinja", config = language_folder / "tokenizer_config.json";
  std::error_code ignored;
  const bool own_file = fs::exists(beside, ignored);
  const std::string text =
      own_file ? read_file(beside, kMostTemplateBytes, ErrorKind::model) : configured_template(config);
  const std::string hash = sha256_hex(without_trailing_space(text));
  for (const Known& known : kKnown)
    if (hash == known.sha256) return {known.name, known.default_system};
  throw UserError(ErrorKind::model, own_file ? beside.string() : config.string() + ", chat_template",
                  fmt::format("wanted the chat template of Qwen2.5 or SmolLM2, found another one ({} bytes, sha256 {})",
                              text.size(), hash),
                  kOverride);
}

Prompt chat_prompt(const BpeTokenizer& tokenizer, const ChatTemplate& chat, const std::string& system,
                   const std::string& instruction, int visual_count) {
  CP_CHECK(visual_count > 0, fmt::format("{} visual positions", visual_count));
  Prompt prompt;
  const int start = tokenizer.control_id(kStart), end = tokenizer.control_id(kEndToken);
  const auto text = [&](const std::string& part) {
    const std::vector<int> ids = tokenizer.encode(part);
    prompt.ids.insert(prompt.ids.end(), ids.begin(), ids.end());
  };
  // One call for each stretch between control tokens: words may merge across what the template and the user wrote.
  const auto close = [&] {
    prompt.ids.push_back(end);
    text("\n");
  };
  const std::string& first = system.empty() ? chat.default_system : system;
  if (!first.empty()) {
    prompt.ids.push_back(start);
    text("system\n" + first);
    close();
  }
  prompt.ids.push_back(start);
  text("user\n");
  const bool vision = tokenizer.find_control("<|image_pad|>").has_value();
  if (vision) prompt.ids.push_back(tokenizer.control_id("<|vision_start|>"));
  prompt.visual_begin = static_cast<int>(prompt.ids.size());
  prompt.visual_count = visual_count;
  prompt.ids.insert(prompt.ids.end(), static_cast<std::size_t>(visual_count),
                    tokenizer.control_id(vision ? "<|image_pad|>" : "<|endoftext|>"));
  if (vision) prompt.ids.push_back(tokenizer.control_id("<|vision_end|>"));
  text(instruction);
  close();
  prompt.ids.push_back(start);
  text("assistant\n");
  return prompt;
}

std::vector<int> chat_answer_ids(const BpeTokenizer& tokenizer, const std::string& caption) {
  std::vector<int> ids = tokenizer.encode(caption);
  ids.push_back(tokenizer.control_id(kEndToken));
  return ids;
}

std::string chat_answer_text(const BpeTokenizer& tokenizer, std::span<const int> ids, std::span<const int> end_ids) {
  const int end = tokenizer.control_id(kEndToken);
  const auto stop = std::find_if(ids.begin(), ids.end(), [&](int id) {
    return id == end || std::find(end_ids.begin(), end_ids.end(), id) != end_ids.end();
  });
  return tokenizer.decode({ids.begin(), stop});
}

}  // namespace cp
