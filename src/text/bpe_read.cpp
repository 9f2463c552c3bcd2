#include "text/bpe_read.h"

#include <initializer_list>
#include <map>
#include <set>
#include <unordered_map>

#include <fmt/format.h>

#include "core/json.h"

namespace cp {
namespace {

constexpr int kMaxId = (1 << 24) - 1;

class Reader {
 public:
  Reader(const Json& json, const std::string& where) : json_(json), where_(where) {}

  BpeModel read() {
    only(json_, "tokenizer.json",
         {"version", "truncation", "padding", "added_tokens", "normalizer", "pre_tokenizer", "post_processor",
          "decoder", "model"});
    absent(json_, "truncation");
    absent(json_, "padding");
    read_normalizer();
    read_pre_tokenizer();
    if (json_.contains("post_processor")) check_post_processor(json_["post_processor"]);
    only_byte_level(json_member(json_, "decoder", where_, ErrorKind::model), "decoder");
    const Json& model = json_member(json_, "model", where_, ErrorKind::model);
    check_model(model);
    read_vocabulary(model);
    read_merges(model);
    read_added_tokens();
    fill_bytes();
    return std::move(result_);
  }

 private:
  [[noreturn]] void refuse(const std::string& field, const std::string& what) const {
    throw UserError(
        ErrorKind::model, where_, fmt::format("\"{}\": {}.", field, what),
        "Only byte-level BPE is supported, of the kinds of Qwen2, Llama 3, GPT-2 and SmolLM (docs/text.md).");
  }

  void only(const Json& object, const std::string& field, std::initializer_list<const char*> known) const {
    if (!object.is_object()) refuse(field, fmt::format("wanted an object, found {}", object.type_name()));
    const std::set<std::string> keys(known.begin(), known.end());
    for (const auto& [key, value] : object.items())
      if (keys.count(key) == 0) refuse(field, fmt::format("unknown field \"{}\"", key));
  }

  // null, false and "" switch a feature off.
  void absent(const Json& object, const std::string& key) const {
    if (!object.contains(key)) return;
    const Json& value = object[key];
    if (!value.is_null() && value != false && value != "")
      refuse(key, fmt::format("not supported, found {}", value.dump()));
  }

  void wants(const Json& object, const std::string& field, const std::string& key, const Json& wanted) const {
    if (!object.is_object() || !object.contains(key) || object[key] != wanted)
      refuse(field, fmt::format("wanted \"{}\": {}, found {}", key, wanted.dump(), object.dump()));
  }

  void read_normalizer() {
    const Json& normalizer = json_member(json_, "normalizer", where_, ErrorKind::model);
    result_.compose = !normalizer.is_null();
    if (!result_.compose) return;
    wants(normalizer, "normalizer", "type", "NFC");
    only(normalizer, "normalizer", {"type"});
  }

  // One step or a sequence of steps. The last one writes bytes as characters and may split by GPT-2's pattern.
  void read_pre_tokenizer() {
    const Json& outer = json_member(json_, "pre_tokenizer", where_, ErrorKind::model);
    std::vector<Json> steps;
    if (json_string(outer, "type", where_, ErrorKind::model) == "Sequence") {
      only(outer, "pre_tokenizer", {"type", "pretokenizers"});
      const Json& list = json_member(outer, "pretokenizers", where_, ErrorKind::model);
      if (!list.is_array()) refuse("pretokenizers", "wanted a list of steps");
      for (const Json& step : list) steps.push_back(step);
    } else {
      steps.push_back(outer);
    }
    std::string types;
    for (const Json& step : steps) types += " " + json_string(step, "type", where_, ErrorKind::model);
    if (types == " ByteLevel")
      result_.split = Split::gpt2;
    else if (types == " Digits ByteLevel")
      read_digits(steps[0]);
    else if (types == " Split ByteLevel")
      read_split(steps[0]);
    else
      refuse("pre_tokenizer",
             fmt::format("wanted ByteLevel, Digits and ByteLevel, or Split and ByteLevel, found{}", types));
    const Json& bytes = steps.back();
    const bool by_pattern = result_.split == Split::gpt2 || result_.split == Split::digits_gpt2;
    if (!by_pattern || bytes.contains("use_regex")) wants(bytes, "pre_tokenizer", "use_regex", by_pattern);
    wants(bytes, "pre_tokenizer", "add_prefix_space", false);
    only_byte_level(bytes, "pre_tokenizer");
  }

  void read_digits(const Json& digits) {
    wants(digits, "pre_tokenizer", "individual_digits", true);
    only(digits, "pre_tokenizer", {"type", "individual_digits"});
    result_.split = Split::digits_gpt2;
  }

  void read_split(const Json& split) {
    if (split.contains("pattern") && split["pattern"] == Json{{"Regex", kLlama3Pattern}})
      result_.split = Split::llama3;
    else
      wants(split, "pre_tokenizer", "pattern", {{"Regex", kQwen2Pattern}});
    wants(split, "pre_tokenizer", "behavior", "Isolated");
    absent(split, "invert");
    only(split, "pre_tokenizer", {"type", "pattern", "behavior", "invert"});
  }

  // May trim offsets, which nobody asks for here, but add no token: a beginning-of-text token belongs into a template.
  void check_post_processor(const Json& value) const {
    if (value.is_null()) return;
    const std::string type = json_string(value, "type", where_, ErrorKind::model);
    if (type == "Sequence") {
      const Json& steps = json_member(value, "processors", where_, ErrorKind::model);
      if (!steps.is_array()) refuse("post_processor", "wanted a list of processors");
      for (const Json& step : steps) check_post_processor(step);
    } else if (type == "TemplateProcessing") {
      const Json& single = json_member(value, "single", where_, ErrorKind::model);
      if (!single.is_array() || single.size() != 1 || !single[0].is_object() || !single[0].contains("Sequence"))
        refuse("post_processor", fmt::format("wanted the text and no token beside it, found {}", single.dump()));
    } else {
      only_byte_level(value, "post_processor");
    }
  }

  // Its options do not change ids or decoded text (for the pre-tokenizer's, see there).
  void only_byte_level(const Json& value, const std::string& field) const {
    wants(value, field, "type", "ByteLevel");
    only(value, field, {"type", "use_regex", "add_prefix_space", "trim_offsets"});
  }

  void check_model(const Json& model) {
    // unk_token and fuse_unk do nothing where every byte has a token: read_vocabulary sees to that.
    only(model, "model",
         {"type", "dropout", "unk_token", "continuing_subword_prefix", "end_of_word_suffix", "fuse_unk",
          "byte_fallback", "ignore_merges", "vocab", "merges"});
    if (model.contains("type")) wants(model, "model", "type", "BPE");
    for (const char* key : {"dropout", "continuing_subword_prefix", "end_of_word_suffix", "byte_fallback"})
      absent(model, key);
    ignore_merges_ = model.contains("ignore_merges") && json_bool(model, "ignore_merges", where_, ErrorKind::model);
  }

  void insert(const std::string& token, int id, const std::string& field) {
    const auto [by_id, new_id] = token_of_.emplace(id, token);
    if (!new_id && by_id->second != token)
      refuse(field, fmt::format("id {} stands for \"{}\" and \"{}\"", id, by_id->second, token));
    const auto [by_token, new_token] = id_of_.emplace(token, id);
    if (!new_token && by_token->second != id)
      refuse(field, fmt::format("\"{}\" has the ids {} and {}", token, by_token->second, id));
  }

  void read_vocabulary(const Json& model) {
    const Json& vocabulary = json_member(model, "vocab", where_, ErrorKind::model);
    if (!vocabulary.is_object()) refuse("vocab", "wanted an object");
    for (const auto& [token, id] : vocabulary.items()) {
      if (token.empty()) refuse("vocab", "an empty token");
      if (!id.is_number_integer() || id < 0 || id > kMaxId)
        refuse("vocab", fmt::format("\"{}\": wanted an id from 0 to {}, found {}", token, kMaxId, id.dump()));
      insert(token, id.get<int>(), "vocab");
    }
    for (unsigned byte = 0; byte < 256; ++byte) {
      const std::string& character = byte_character(static_cast<std::uint8_t>(byte));
      // Vocabularies trained without the whole alphabet lack bytes that their texts lacked; no text lacks these.
      const bool common = (byte >= 0x20 && byte < 0x7f) || byte == '\n';
      const bool found = id_of_.count(character) != 0;
      if (!found && !common && model.contains("unk_token") && !model["unk_token"].is_null())
        refuse("unk_token", fmt::format("not supported where byte {} has no token", byte));
      result_.byte_ids[byte] = found || common ? id_of(character, "vocab") : -1;
    }
    reachable_.insert(result_.byte_ids.begin(), result_.byte_ids.end());
    if (ignore_merges_) result_.whole = id_of_;
  }

  int id_of(const std::string& token, const std::string& field) const {
    const auto found = id_of_.find(token);
    if (found == id_of_.end()) refuse(field, fmt::format("token \"{}\" is not in the vocabulary", token));
    return found->second;
  }

  // Each merge is "left right" or ["left", "right"].
  void read_merges(const Json& model) {
    const Json& merges = json_member(model, "merges", where_, ErrorKind::model);
    if (!merges.is_array()) refuse("merges", "wanted a list");
    for (const Json& merge : merges) {
      std::string left, right;
      if (merge.is_array() && merge.size() == 2 && merge[0].is_string() && merge[1].is_string()) {
        left = merge[0].get<std::string>();
        right = merge[1].get<std::string>();
      } else if (merge.is_string()) {
        const std::string& text = merge.get_ref<const std::string&>();
        const std::size_t blank = text.find(' ');
        if (blank == std::string::npos || text.find(' ', blank + 1) != std::string::npos)
          refuse("merges", fmt::format("wanted \"left right\", found {}", merge.dump()));
        left = text.substr(0, blank);
        right = text.substr(blank + 1);
      } else {
        refuse("merges", fmt::format("wanted two tokens, found {}", merge.dump()));
      }
      const int left_id = id_of(left, "merges"), right_id = id_of(right, "merges");
      const int merged_id = id_of(left + right, "merges");
      reachable_.insert(merged_id);
      if (!result_.merges.add(left_id, right_id, merged_id))
        refuse("merges", fmt::format("\"{}\" \"{}\" stands twice", left, right));
    }
  }

  void read_added_tokens() {
    if (!json_.contains("added_tokens")) return;
    const Json& added = json_["added_tokens"];
    if (!added.is_array()) refuse("added_tokens", "wanted a list");
    std::set<std::string> seen;
    for (const Json& item : added) {
      only(item, "added_tokens", {"id", "content", "single_word", "lstrip", "rstrip", "normalized", "special"});
      ControlToken token{json_string(item, "content", where_, ErrorKind::model),
                         static_cast<int>(json_integer(item, "id", where_, ErrorKind::model, 0, kMaxId)),
                         json_bool(item, "special", where_, ErrorKind::model)};
      for (const char* key : {"single_word", "lstrip", "rstrip"}) absent(item, key);
      if (result_.compose) absent(item, "normalized");  // without a normaliser it makes no difference
      if (token.text.empty()) refuse("added_tokens", "an empty token");
      if (!seen.insert(token.text).second) refuse("added_tokens", fmt::format("\"{}\" stands twice", token.text));
      insert(token.text, token.id, "added_tokens");
      if (reachable_.count(token.id) != 0)
        refuse("added_tokens", fmt::format("\"{}\" can come from ordinary text, by a byte or a merge", token.text));
      result_.whole.erase(token.text);  // nor as a whole piece
      result_.control.push_back(std::move(token));
    }
  }

  void fill_bytes() {
    for (const auto& [id, token] : token_of_) {
      const auto wanted = static_cast<int>(result_.bytes.size());
      if (id != wanted) refuse("vocab", fmt::format("the ids have a hole, {} stands for nothing", wanted));
      result_.bytes.push_back(token_bytes(token));
    }
  }

  const Json& json_;
  const std::string& where_;
  std::map<int, std::string> token_of_;
  std::unordered_map<std::string, int> id_of_;
  bool ignore_merges_ = false;
  std::set<int> reachable_;  // ids that encoding of ordinary text may give
  BpeModel result_;
};

}  // namespace

BpeModel parse_bpe_model(std::string_view text, const std::string& where) {
  if (text.find('\0') != std::string_view::npos)  // would end the JSON early
    throw UserError(ErrorKind::model, where, "holds a zero byte.", "");
  const Json json = parse_json(text, where, ErrorKind::model);
  return Reader(json, where).read();
}

}  // namespace cp
