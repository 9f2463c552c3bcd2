// Files that are damaged, hostile, or of another kind: each is refused by name, none crashes.
#include "core/file.h"
#include "core/json.h"
#include "core/rng.h"
#include "support/test_support.h"
#include "text/bpe_tokenizer.h"
#include "text/bpe_trainer.h"

namespace cp {
namespace {

Json good() { return Json::parse(train_bpe({"the house the house"}, {.vocabulary_size = 270})); }

struct Kind {
  const char* name;
  std::function<void(Json&)> damage;
  const char* message;
};

const std::vector<Kind>& kinds() {
  static const std::vector<Kind> all = {
      {"no object", [](Json& j) { j = 7; }, "wanted an object"},
      {"unknown field", [](Json& j) { j["extra"] = 1; }, "unknown field \"extra\""},
      {"truncation",
       [](Json& j) {
         j["truncation"] = {{"max_length", 5}};
       },
       "truncation"},
      {"padding",
       [](Json& j) {
         j["padding"] = {{"strategy", "x"}};
       },
       "padding"},
      {"no normalizer", [](Json& j) { j.erase("normalizer"); }, "\"normalizer\" is missing"},
      {"list of normalizers",
       [](Json& j) {
         j["normalizer"] = {{"type", "Sequence"}, {"normalizers", Json::array()}};
       },
       "normalizer"},
      {"other normalizer",
       [](Json& j) {
         j["normalizer"] = {{"type", "NFKC"}};
       },
       "normalizer"},
      {"normalizer option", [](Json& j) { j["normalizer"]["x"] = 1; }, "unknown field \"x\""},
      {"no pre-tokenizer", [](Json& j) { j.erase("pre_tokenizer"); }, "pre_tokenizer"},
      {"one step", [](Json& j) { j["pre_tokenizer"]["pretokenizers"].erase(0); }, "use_regex"},
      {"no steps", [](Json& j) { j["pre_tokenizer"]["pretokenizers"] = Json::array(); }, "wanted ByteLevel"},
      {"steps of no list", [](Json& j) { j["pre_tokenizer"]["pretokenizers"] = 4; }, "list of steps"},
      {"step of no object", [](Json& j) { j["pre_tokenizer"]["pretokenizers"][0] = 4; }, "type"},
      {"steps turned round",
       [](Json& j) { std::swap(j["pre_tokenizer"]["pretokenizers"][0], j["pre_tokenizer"]["pretokenizers"][1]); },
       "found ByteLevel Split"},
      {"metaspace",
       [](Json& j) {
         j["pre_tokenizer"] = {{"type", "Metaspace"}, {"replacement", "_"}};
       },
       "found Metaspace"},
      {"digits in groups",
       [](Json& j) {
         j["pre_tokenizer"]["pretokenizers"][0] = {{"type", "Digits"}, {"individual_digits", false}};
       },
       "individual_digits"},
      {"digits without a pattern",
       [](Json& j) {
         j["pre_tokenizer"]["pretokenizers"][0] = {{"type", "Digits"}, {"individual_digits", true}};
       },
       "use_regex"},
      {"other pattern", [](Json& j) { j["pre_tokenizer"]["pretokenizers"][0]["pattern"]["Regex"] = "\\w+"; },
       "pattern"},
      {"string pattern", [](Json& j) { j["pre_tokenizer"]["pretokenizers"][0]["pattern"] = "x"; }, "pattern"},
      {"other behaviour", [](Json& j) { j["pre_tokenizer"]["pretokenizers"][0]["behavior"] = "Removed"; }, "behavior"},
      {"inverted", [](Json& j) { j["pre_tokenizer"]["pretokenizers"][0]["invert"] = true; }, "invert"},
      {"prefix space", [](Json& j) { j["pre_tokenizer"]["pretokenizers"][1]["add_prefix_space"] = true; },
       "add_prefix"},
      {"second regex", [](Json& j) { j["pre_tokenizer"]["pretokenizers"][1]["use_regex"] = true; }, "use_regex"},
      {"template",
       [](Json& j) {
         j["post_processor"] = {{"type", "TemplateProcessing"}};
       },
       "\"single\" is missing"},
      {"template with a token",
       [](Json& j) {
         j["post_processor"] = Json::parse(R"({"type": "Sequence", "processors": [{"type": "ByteLevel"},
           {"type": "TemplateProcessing", "single": [{"SpecialToken": {"id": "<|im_start|>", "type_id": 0}}]}]})");
       },
       "no token beside it"},
      {"template without the text",
       [](Json& j) {
         j["post_processor"] = {{"type", "TemplateProcessing"}, {"single", Json::array()}};
       },
       "no token beside it"},
      {"processors of no list",
       [](Json& j) {
         j["post_processor"] = {{"type", "Sequence"}, {"processors", nullptr}};
       },
       "list of processors"},
      {"other post-processor",
       [](Json& j) {
         j["post_processor"] = {{"type", "BertProcessing"}};
       },
       "post_processor"},
      {"no decoder", [](Json& j) { j["decoder"] = nullptr; }, "decoder"},
      {"other decoder", [](Json& j) { j["decoder"]["type"] = "WordPiece"; }, "decoder"},
      {"no model", [](Json& j) { j.erase("model"); }, "\"model\" is missing"},
      {"other model", [](Json& j) { j["model"]["type"] = "Unigram"; }, "BPE"},
      {"model of no object", [](Json& j) { j["model"] = "BPE"; }, "wanted an object"},
      {"dropout", [](Json& j) { j["model"]["dropout"] = 0.1; }, "dropout"},
      {"subword prefix", [](Json& j) { j["model"]["continuing_subword_prefix"] = "##"; }, "continuing_subword_prefix"},
      {"word suffix", [](Json& j) { j["model"]["end_of_word_suffix"] = "</w>"; }, "end_of_word_suffix"},
      {"byte fallback", [](Json& j) { j["model"]["byte_fallback"] = true; }, "byte_fallback"},
      {"ignored merges", [](Json& j) { j["model"]["ignore_merges"] = "yes"; }, "ignore_merges"},
      {"unknown token for a byte",
       [](Json& j) {
         j["model"]["vocab"].erase("\u00ff");
         j["model"]["unk_token"] = "<|endoftext|>";
       },
       "unk_token"},
      {"added of unknown kind", [](Json& j) { j["added_tokens"][0].erase("special"); }, "special"},
      {"no vocabulary", [](Json& j) { j["model"].erase("vocab"); }, "\"vocab\" is missing"},
      {"empty vocabulary", [](Json& j) { j["model"]["vocab"] = Json::object(); }, "not in the vocabulary"},
      {"list vocabulary", [](Json& j) { j["model"]["vocab"] = Json::array({"a"}); }, "vocab"},
      {"missing byte", [](Json& j) { j["model"]["vocab"].erase("a"); }, "\"a\" is not in the vocabulary"},
      {"empty token", [](Json& j) { j["model"]["vocab"][""] = 900; }, "empty token"},
      {"text as id", [](Json& j) { j["model"]["vocab"]["a"] = "5"; }, "wanted an id"},
      {"fraction as id", [](Json& j) { j["model"]["vocab"]["a"] = 5.5; }, "wanted an id"},
      {"negative id", [](Json& j) { j["model"]["vocab"]["a"] = -1; }, "wanted an id"},
      {"huge id", [](Json& j) { j["model"]["vocab"]["a"] = 4294967296; }, "wanted an id"},
      {"id of 64 bits", [](Json& j) { j["model"]["vocab"]["a"] = UINT64_MAX; }, "wanted an id"},
      {"one id twice", [](Json& j) { j["model"]["vocab"]["a"] = 1; }, "id 1 stands for"},
      {"hole", [](Json& j) { j["model"]["vocab"]["zzz"] = 5000; }, "hole"},
      {"no merges", [](Json& j) { j["model"].erase("merges"); }, "\"merges\" is missing"},
      {"merges of no list", [](Json& j) { j["model"]["merges"] = 3; }, "wanted a list"},
      {"merge of one", [](Json& j) { j["model"]["merges"][0] = Json::array({"a"}); }, "wanted two tokens"},
      {"merge of numbers",
       [](Json& j) {
         j["model"]["merges"][0] = Json::array({1, 2});
       },
       "wanted two tokens"},
      {"merge without blank", [](Json& j) { j["model"]["merges"][0] = "ab"; }, "left right"},
      {"merge of three", [](Json& j) { j["model"]["merges"][0] = "a b c"; }, "left right"},
      {"unknown part", [](Json& j) { j["model"]["merges"][0] = "a zzz"; }, "\"zzz\" is not"},
      {"unknown result", [](Json& j) { j["model"]["merges"][0] = "q q"; }, "\"qq\" is not"},
      {"merge twice", [](Json& j) { j["model"]["merges"].push_back(j["model"]["merges"][0]); }, "stands twice"},
      {"added of no list", [](Json& j) { j["added_tokens"] = 1; }, "wanted a list"},
      {"added without id", [](Json& j) { j["added_tokens"][0].erase("id"); }, "\"id\" is missing"},
      {"added without text", [](Json& j) { j["added_tokens"][0].erase("content"); }, "\"content\" is missing"},
      {"added empty", [](Json& j) { j["added_tokens"][0]["content"] = ""; }, "empty token"},
      {"added negative", [](Json& j) { j["added_tokens"][0]["id"] = -5; }, "\"id\""},
      {"added far away", [](Json& j) { j["added_tokens"][0]["id"] = 16000000; }, "hole"},
      {"added on a byte", [](Json& j) { j["added_tokens"][0]["id"] = 5; }, "id 5 stands for"},
      {"added is a byte",
       [](Json& j) {
         j["added_tokens"][0]["content"] = "a";
         j["added_tokens"][0]["id"] = j["model"]["vocab"]["a"];
       },
       "ordinary text"},
      {"added is a merge",
       [](Json& j) {
         j["added_tokens"][0]["content"] = "he";
         j["added_tokens"][0]["id"] = j["model"]["vocab"]["he"];
       },
       "ordinary text"},
      {"added twice", [](Json& j) { j["added_tokens"].push_back(j["added_tokens"][0]); }, "stands twice"},
      {"single word", [](Json& j) { j["added_tokens"][0]["single_word"] = true; }, "single_word"},
      {"left strip", [](Json& j) { j["added_tokens"][0]["lstrip"] = true; }, "lstrip"},
      {"right strip", [](Json& j) { j["added_tokens"][0]["rstrip"] = true; }, "rstrip"},
      {"normalized", [](Json& j) { j["added_tokens"][0]["normalized"] = true; }, "normalized"},
  };
  return all;
}

TEST(MalformedTokenizer, EveryKindIsRefusedByName) {
  EXPECT_NO_THROW(BpeTokenizer::parse(good().dump(), "good"));
  EXPECT_GE(kinds().size(), 60u);
  for (const Kind& kind : kinds()) {
    Json json = good();
    kind.damage(json);
    EXPECT_TRUE(test::throws_user_error([&] { BpeTokenizer::parse(json.dump(), "bad.json"); }, ErrorKind::model,
                                        {"bad.json", kind.message}))
        << kind.name;
  }
}

TEST(MalformedTokenizer, OlderSpellingsAreRead) {
  Json json = good();
  for (Json& merge : json["model"]["merges"]) merge = merge[0].get<std::string>() + " " + merge[1].get<std::string>();
  for (const char* key : {"type", "ignore_merges", "byte_fallback"}) json["model"].erase(key);
  json["model"]["continuing_subword_prefix"] = "";
  json["post_processor"] =
      Json::parse(R"({"type": "Sequence", "processors": [{"type": "ByteLevel", "trim_offsets": false},
    {"type": "TemplateProcessing", "single": [{"Sequence": {"id": "A", "type_id": 0}}], "pair": [], "special_tokens": {}}]})");
  const std::string text = "the houses, the house";
  EXPECT_EQ(BpeTokenizer::parse(json.dump(), "old").encode(text),
            BpeTokenizer::parse(good().dump(), "new").encode(text));
}

TEST(MalformedTokenizer, TextsThatAreNoJsonAreRefused) {
  for (const std::string& text :
       {std::string(), std::string("{"), std::string("\xff"), std::string("{\"model\":{},\"model\":{}}"),
        std::string(100'000, '['), good().dump() + std::string(1, '\0')})
    EXPECT_TRUE(
        test::throws_user_error([&] { BpeTokenizer::parse(text, "bad.json"); }, ErrorKind::model, {"bad.json"}));
  EXPECT_TRUE(
      test::throws_user_error([] { BpeTokenizer::load("/nowhere/tokenizer.json"); }, ErrorKind::model, {"/nowhere"}));
}

// Truncated anywhere, or with one byte changed: refused, or read and usable.
TEST(MalformedTokenizer, TruncationsAndChangedBytesNeverCrash) {
  const std::string text = good().dump();
  Rng rng(4, Stream::test);
  int refused = 0, read = 0;
  const auto attempt = [&](const std::string& bytes) {
    try {
      const BpeTokenizer tokenizer = BpeTokenizer::parse(bytes, "fuzzed");
      tokenizer.decode(tokenizer.encode("the house 中"), true);
      ++read;
    } catch (const UserError&) {
      ++refused;
    }
  };
  for (int i = 0; i < 300; ++i) attempt(text.substr(0, rng.below(text.size())));
  EXPECT_EQ(read, 0);
  for (int i = 0; i < 1500; ++i) {
    std::string changed = text;
    changed[rng.below(changed.size())] = static_cast<char>(rng.below(256));
    attempt(changed);
  }
  EXPECT_EQ(refused + read, 1800);
  EXPECT_GE(refused, 1000);
  for (const Json& kind : read_json(test::golden("text/kinds.json"), ErrorKind::data)) {
    const std::string whole = kind["tokenizer"].dump();
    for (int i = 0; i < 100; ++i) {
      std::string changed = whole;
      changed[rng.below(2000)] = static_cast<char>(rng.below(256));  // where the options stand
      attempt(changed);
    }
  }
  EXPECT_EQ(refused + read, 2200);
}

}  // namespace
}  // namespace cp
