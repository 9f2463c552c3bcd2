#include "text/bpe_read.h"

#include <initializer_list>
#include <map>
#include <set>
#include <unordered_map>

#include <fmt/format.h>

#include "core/json.h"
#include "text/pre_tokenizer.h"

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
    check_normalizer();
    check_pre_tokenizer();
    if (json_.contains("post_processor") && !json_["post_processor"].is_null()) only_byte_level("post_processor");
    only_byte_level("decoder");
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
    throw UserError(ErrorKind::model, where_, fmt::format("\"{}\": {}.", field, what),
                    "Only byte-level BPE of Qwen2's kind is supported.");
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

  void check_normalizer() const {
    const Json& normalizer = json_member(json_, "normalizer", where_, ErrorKind::model);
    wants(normalizer, "normalizer", "type", "NFC");
    only(normalizer, "normalizer", {"type"});
  }

  void check_pre_tokenizer() const {
    const Json& outer = json_member(json_, "pre_tokenizer", where_, ErrorKind::model);
    wants(outer, "pre_tokenizer", "type", "Sequence");
    only(outer, "pre_tokenizer", {"type", "pretokenizers"});
    const Json& steps = json_member(outer, "pretokenizers", where_, ErrorKind::model);
    if (!steps.is_array() || steps.size() != 2) refuse("pretokenizers", "wanted two steps, Split and ByteLevel");
    const Json &split = steps[0], &bytes = steps[1];
    wants(split, "pretokenizers", "type", "Split");
    wants(split, "pretokenizers", "pattern", {{"Regex", kQwen2Pattern}});
    wants(split, "pretokenizers", "behavior", "Isolated");
    absent(split, "invert");
    only(split, "pretokenizers", {"type", "pattern", "behavior", "invert"});
    wants(bytes, "pretokenizers", "type", "ByteLevel");
    wants(bytes, "pretokenizers", "use_regex", false);
    wants(bytes, "pretokenizers", "add_prefix_space", false);
    only(bytes, "pretokenizers", {"type", "use_regex", "add_prefix_space", "trim_offsets"});
  }

  // Its options do not change ids or decoded text.
  void only_byte_level(const std::string& field) const {
    const Json& value = json_member(json_, field, where_, ErrorKind::model);
    wants(value, field, "type", "ByteLevel");
    only(value, field, {"type", "use_regex", "add_prefix_space", "trim_offsets"});
  }

  void check_model(const Json& model) const {
    // unk_token and fuse_unk do nothing, since every byte has a token.
    only(model, "model",
         {"type", "dropout", "unk_token", "continuing_subword_prefix", "end_of_word_suffix", "fuse_unk",
          "byte_fallback", "ignore_merges", "vocab", "merges"});
    if (model.contains("type")) wants(model, "model", "type", "BPE");
    for (const char* key :
         {"dropout", "continuing_subword_prefix", "end_of_word_suffix", "byte_fallback", "ignore_merges"})
      absent(model, key);
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
    for (unsigned byte = 0; byte < 256; ++byte)
      result_.byte_ids[byte] = id_of(byte_character(static_cast<std::uint8_t>(byte)), "vocab");
    reachable_.insert(result_.byte_ids.begin(), result_.byte_ids.end());
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
                         static_cast<int>(json_integer(item, "id", where_, ErrorKind::model, 0, kMaxId))};
      for (const char* key : {"single_word", "lstrip", "rstrip", "normalized"}) absent(item, key);
      if (token.text.empty()) refuse("added_tokens", "an empty token");
      if (!seen.insert(token.text).second) refuse("added_tokens", fmt::format("\"{}\" stands twice", token.text));
      insert(token.text, token.id, "added_tokens");
      if (reachable_.count(token.id) != 0)
        refuse("added_tokens", fmt::format("\"{}\" can come from ordinary text, by a byte or a merge", token.text));
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
