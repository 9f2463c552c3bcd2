// Mistakes with `changepilot model ...`: one clear line each, the right exit code, and nothing left behind.
#include <fmt/format.h>

#include "cli/program.h"
#include "formats/quantize_folder.h"
#include "runtime/assemble.h"
#include "runtime/small_folders.h"

namespace cp {
namespace {

namespace fs = std::filesystem;
using test::expect_mistakes;
using test::slurp;
using test::type;
using ::testing::HasSubstr;

struct ModelMistakes : ::testing::Test {
  static void SetUpTestSuite() {
    folder = test::fresh_folder("mistakes");
    language = test::make_small_language("mistakes_language").string();
    clip = test::make_small_clip("mistakes_clip").string();
    adapter = test::make_small_adapter("mistakes_adapter").string();
    ASSERT_EQ(type("model quantize " + language + " --out " + at("nf4")).code, 0);
    ASSERT_EQ(
        type("model new --fusion patch --vision " + clip + " --language " + language + " --out " + at("model")).code,
        0);
  }
  void TearDown() override {  // nothing is left of a failed command
    EXPECT_FALSE(fs::exists(at("new")));
    EXPECT_FALSE(fs::exists(at("new.partial")));
  }

  static std::string at(const std::string& name) { return (folder / name).string(); }
  static std::string make(const std::string& vision, const std::string& text, const std::string& more = "") {
    return "model new --vision " + vision + " --language " + text + " --out " + at("new") + " " + more;
  }
  // A language folder with one file changed; empty: removed.
  static std::string without(const std::string& name, const std::string& file, const std::string& text = "") {
    const fs::path made = test::make_small_language(name);
    fs::remove(made / file);
    if (!text.empty()) write_file_durable(made / file, text);
    return made.string();
  }

  static inline fs::path folder;
  static inline std::string language, clip, adapter;
};

TEST_F(ModelMistakes, OptionsAreRefusedBeforeAnythingIsRead) {
  const std::string new_model = make("/none", "/none");
  expect_mistakes({
      {"model", 2, {"model: wanted new, info, check, quantize, merge or generate", "changepilot model --help"}},
      {"model quantise", 2, {"\"quantise\"", "Did you mean \"quantize\"?"}},
      {"model new --vision x --language y", 2, {"--out is missing"}},
      {"model new --out " + at("new") + " --language y", 2, {"--vision: is missing"}},
      {"model new --out " + at("new") + " --vision x", 2, {"--language: is missing"}},
      {new_model + "--fusion pach", 2, {"--fusion: wanted concat, subtract, patch, found \"pach\"", "\"patch\"?"}},
      {new_model + "--fusion add", 2, {"--fusion: wanted concat, subtract, patch, found \"add\""}},
      {new_model + "--condition pooling", 2, {"--condition: wanted none, last_token, pooled", "\"pooled\"?"}},
      {new_model + "--template alpaca", 2, {"--template: wanted plain, qwen2.5, smollm2, chatml, found \"alpaca\""}},
      {new_model + "--width 0", 2, {"--width: wanted 1 to 4096, found 0"}},
      {new_model + "--width 100000", 2, {"--width: wanted 1 to 4096, found 100000"}},
      {new_model + "--seed x", 2, {"seed", "\"x\""}},
      {"model new --vision x --language y --out ''", 2, {"--out"}},
      {"model quantize /none --out " + at("new") + " --compute-dtype fp8",
       2,
       {"--compute-dtype: wanted float32, float16 or bfloat16, found \"fp8\""}},
      {"model quantize " + language, 2, {"--out is missing"}},
      {"model merge " + language + " --out " + at("new"), 2, {"--adapter is missing"}},
      {"model check", 2, {"dir"}},
  });
}

TEST_F(ModelMistakes, FoldersThatAreMissingOrOfAnotherKindAreNamed) {
  const std::string model_nano = (test::source_dir() / "models/nano/vision").string();
  expect_mistakes({
      {make("/none", language), 4, {"/none/config.json: cannot open"}},
      {make(clip, "/none"), 4, {"/none/config.json: cannot open"}},
      {make(clip, language, "--adapter /none"), 4, {"/none/adapter_config.json: cannot open"}},
      {make(clip, clip), 4, {clip + "/config.json", "\"model_type\": wanted one of qwen2, llama, found \"clip\""}},
      {make(language, language), 4, {language + "/config.json", "\"model_type\"", "found \"qwen2\"", "CLIP"}},
      {make(clip, at("model")), 4, {at("model") + "/config.json: cannot open"}},
      {make(model_nano, language, "--fusion patch"), 2, {"--fusion: \"patch\" wants a CLIP model", "concat"}},
      {"model info /none", 4, {"/none/config.json: cannot open"}},
      {"model check /none", 4, {"/none/changepilot.json: cannot open"}},
      {"model generate /none --prompt x", 4, {"/none/config.json: cannot open"}},
      {"model quantize /none --out " + at("new"), 4, {"/none/config.json: cannot open"}},
      {"model quantize " + clip + " --out " + at("new"), 4, {"\"model_type\"", "found \"clip\""}},
      {"model quantize " + at("model") + " --out " + at("new"), 4, {at("model") + ": is a model folder", "language"}},
      {"model quantize " + at("nf4") + " --out " + at("new"), 4, {at("nf4"), "quantised already", "dense folder"}},
      {"model merge " + at("nf4") + " --adapter " + adapter + " --out " + at("new"), 4, {"quantised already"}},
      {"model merge " + language + " --adapter /none --out " + at("new"), 4, {"/none/adapter_config.json"}},
      {"model merge " + language + " --adapter " + language + " --out " + at("new"), 4, {"adapter_config.json"}},
      {"model generate " + language, 2, {"--prompt", "no tokens"}},
      {"model generate " + language + " --ids 305", 2, {"--ids: wanted 0 to 304, found 305"}},
      {"model generate " + language + " --ids -1", 2, {"--ids"}},
      {"model generate " + language + " --ids 1 --beams 0", 2, {"1 to 64 beams"}},
      {"model generate " + language + " --ids 1 --max-new-tokens 2147483647", 2, {"--max-new-tokens", "512"}},
      {"model generate " + language + " --ids 1 --logits /proc/none/x", 5, {"/proc/none"}},
  });
}

TEST_F(ModelMistakes, LanguageFoldersWithoutAWorkingTokenizerAreRefused) {
  Json tokenizer = Json::parse(slurp(fs::path(language) / "tokenizer.json"));
  Json large = tokenizer, bare = tokenizer, endless = tokenizer;
  for (int id = 302; id < 310; ++id)
    large["added_tokens"].push_back({{"id", id}, {"content", fmt::format("<{}>", id)}, {"special", true}});
  for (Json& token : large["added_tokens"])
    for (const char* key : {"single_word", "lstrip", "rstrip", "normalized"}) token[key] = false;
  for (Json& token : bare["added_tokens"])  // no vision marks, and nothing that could stand for them
    for (const char* name : {"<|image_pad|>", "<|endoftext|>"})
      if (token["content"] == name) token["content"] = std::string(name) + "?";
  for (Json& token : endless["added_tokens"])
    if (token["content"] == "<|im_end|>") token["content"] = "<|end|>";
  const auto with = [&](const char* name, const Json& json) { return without(name, "tokenizer.json", json.dump()); };
  Json short_config = Json::parse(slurp(fs::path(language) / "config.json"));
  short_config["max_position_embeddings"] = 64;
  const std::string no_chat = test::make_small_language("mistakes_no_chat", "").string(),
                    other_chat = test::make_small_language("mistakes_other_chat", "{{ other }}").string();
  expect_mistakes({
      {make(clip, without("mistakes_no_tokenizer", "tokenizer.json")), 4, {"tokenizer.json: cannot open"}},
      {make(clip, without("mistakes_no_json", "tokenizer.json", "[")), 4, {"tokenizer.json"}},
      {make(clip, with("mistakes_large", large)),
       4,
       {"tokenizer.json: the tokenizer has 310 ids, the language model 305"}},
      {make(clip, with("mistakes_bare", bare)), 4, {"tokenizer.json", "no added token \"<|endoftext|>\""}},
      {make(clip, with("mistakes_endless", endless)), 4, {"tokenizer.json", "no added token \"<|im_end|>\""}},
      {make(clip, with("mistakes_plain", bare), "--template plain"), 4, {"no added token \"<|image_pad|>\""}},
      {make(clip, no_chat), 4, {"tokenizer_config.json: wanted a chat template, found no such file", "--template"}},
      {make(clip, without("mistakes_empty", "tokenizer_config.json", "{}")),
       4,
       {"tokenizer_config.json", "wanted a chat template, found none", "--template NAME", "chatml or plain"}},
      {make(clip, other_chat), 4, {"found another one", "sha256", "--template NAME", "smollm2"}},
      {make(clip, without("mistakes_short", "config.json", short_config.dump()), "--fusion patch"),
       4,
       {"config.json: the prompt has ", "the language model reads 64", "fewer visual positions"}},
  });
}

TEST_F(ModelMistakes, WhatIsThereAlreadyIsNotTouched) {
  fs::create_directories(folder / "there");
  fs::create_directories(folder / "cut.partial");
  write_file_durable(folder / "cut.partial/kept", "x");
  for (const std::string& command :
       {"model new --vision " + clip + " --language " + language, "model quantize " + language,
        "model merge " + language + " --adapter " + adapter, std::string("model quantize /none")})
    expect_mistakes({
        {command + " --out " + at("there"), 5, {at("there") + ": exists already", "another name"}},
        {command + " --out " + at("there/"), 5, {at("there") + ": exists already"}},
        {command + " --out " + at("cut"), 5, {at("cut.partial") + ": exists", "cut off", "Remove it"}},
    });
  EXPECT_TRUE(fs::is_empty(folder / "there"));
  EXPECT_EQ(slurp(folder / "cut.partial/kept"), "x");
  EXPECT_EQ(type("model quantize " + language + " --out /proc/none/new").code, 5);
}

// A full disk at every step of the way: nothing, or (when the last step of all fails) everything.
TEST_F(ModelMistakes, AFullDiskLeavesNothingBehind) {
  AssembleOptions options;
  options.vision = clip, options.language = language, options.width = 8;
  const std::function<void()> commands[] = {
      [&] { assemble_model(options, at("new")); },
      [&] { quantize_language_folder(language, at("new"), {}); },
      [&] { merge_language_folder(language, adapter, at("new"), 1); },
  };
  for (const auto& command : commands) {
    std::uint64_t failures = 0;
    int complete = 0;
    for (bool done = false; !done; fs::remove_all(at("new"))) {
      set_durable_failpoint(failures + 1);
      try {
        command();
        done = true;
      } catch (const UserError& error) {
        EXPECT_EQ(error.kind(), ErrorKind::write) << error.what();
        ++failures;
        complete += fs::exists(at("new"));
      }
      set_durable_failpoint(0);
      EXPECT_FALSE(fs::exists(at("new.partial"))) << failures;
    }
    EXPECT_GT(failures, 15u);
    EXPECT_EQ(complete, 1);
  }
}

// Lists of tensors are the one thing that takes more than a line.
TEST_F(ModelMistakes, AnAdapterOfAnotherModelIsNamedTensorByTensor) {
  LanguageConfig wide = test::random_language_config(), deep = wide;
  wide.hidden_size = 64, wide.head_dim = 16;
  deep.num_hidden_layers = 3;
  const std::string other = test::make_small_adapter("mistakes_wide", wide).string(),
                    deeper = test::make_small_adapter("mistakes_deep", deep).string();
  for (const std::string& command : {make(clip, language), "model merge " + language + " --out " + at("new"),
                                     "model generate " + language + " --ids 1"}) {
    const test::Said said = type(command + " --adapter " + other), more = type(command + " --adapter " + deeper);
    EXPECT_EQ(said.code, 4) << said.err;
    for (const char* part :
         {"adapter_model.safetensors", "layers.0.self_attn.q_proj.lora_A.weight wanted [2, 32], found [2, 64]",
          "layers.1.self_attn.v_proj.lora_B.weight wanted [16, 2], found [32, 2]", "Check that"})
      EXPECT_THAT(said.err, HasSubstr(part));
    EXPECT_EQ(more.code, 4) << more.err;
    EXPECT_THAT(more.err, HasSubstr("unknown: base_model.model.model.layers.2.self_attn.q_proj.lora_A.weight"));
  }
}

TEST_F(ModelMistakes, WeightsThatAreNoNumbersDoNotGetIntoNewFolders) {
  const fs::path poisoned = test::make_small_language("mistakes_nan");
  test::write_small_weights(poisoned, [](TensorToWrite& t) {
    if (t.name == "model.layers.1.mlp.up_proj.weight") t.values[7] = NAN;
  });
  const std::string where = "model.layers.1.mlp.up_proj";
  for (const auto& [command, code] : {std::pair{make(clip, poisoned.string()), 4},
                                      {"model quantize " + poisoned.string() + " --out " + at("new"), 6}}) {
    const test::Said said = type(command);
    EXPECT_EQ(said.code, code) << said.err;
    EXPECT_THAT(said.err, HasSubstr(where));
    EXPECT_THAT(said.err, HasSubstr("finite"));
  }
  // in range by themselves, past float16's together
  const fs::path large = test::make_small_language("mistakes_large_weights");
  test::write_small_weights(
      large,
      [](TensorToWrite& t) {
        if (t.name.ends_with("q_proj.weight"))
          for (float& v : t.values) v = 65503.f;
      },
      DType::f16);
  const fs::path strong = test::make_small_adapter("mistakes_strong");
  const SafeTensors weights = SafeTensors::open(strong / "adapter_model.safetensors");
  std::vector<TensorToWrite> louder;
  for (const auto& [name, view] : weights.tensors()) {
    louder.push_back({name, view.shape, weights.floats(name, view.shape)});
    for (float& v : louder.back().values) v *= 100;
  }
  write_safetensors(strong / "adapter_model.safetensors", louder);
  expect_mistakes({{"model merge " + large.string() + " --adapter " + strong.string() + " --out " + at("new"),
                    6,
                    {"q_proj.weight: with the adapter it holds values that are not finite as F16", "float32"}}});
}

}  // namespace
}  // namespace cp
