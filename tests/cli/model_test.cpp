// `changepilot model new|info|quantize|merge|generate` as a user types them, on small folders.
#include <fmt/format.h>

#include "cli/program.h"
#include "core/json.h"
#include "formats/language_weights.h"
#include "image/write.h"
#include "runtime/small_folders.h"

namespace cp {
namespace {

namespace fs = std::filesystem;
using test::close;
using test::Said;
using test::Tol;
using test::type;
using ::testing::HasSubstr;

constexpr const char* kIds = "1,17,42,299,7,80";

struct Model : ::testing::Test {
  static void SetUpTestSuite() {
    folder = test::fresh_folder("model_command");
    language = test::make_small_language("model_language").string();
    clip = test::make_small_clip("model_clip").string();
    adapter = test::make_small_adapter("model_adapter").string();
    const Said said = type("synth --pairs 2 --size 96 --val-share 0 --out " + at("synth"));
    ASSERT_EQ(said.code, 0) << said.err;
    const auto image = [](const char* side, int number) {
      return (folder / fmt::format("synth/images/train/{}/train_{:06}.png", side, number)).string();
    };
    for (const int number : {1, 2}) pairs.push_back(pair(image("A", number), image("B", number)));
    turned = pair(image("B", 1), image("A", 1));
    same = pair(image("A", 1), image("A", 1));
  }

  static std::string pair(const std::string& before, const std::string& after) {
    return "infer --num-samples 8 --beams 1 --max-new-tokens 6 --image-before " + before + " --image-after " + after;
  }
  static std::string at(const std::string& name) { return (folder / name).string(); }
  static std::string parts() { return "--vision " + clip + " --language " + language + " "; }
  // A model of its own; `more` are further flags.
  static std::string make(const std::string& name, const std::string& more) {
    const Said said = type("model new " + parts() + more + " --out " + at(name));
    EXPECT_EQ(said.code, 0) << more << "\n" << said.err;
    EXPECT_THAT(said.out, HasSubstr("written: " + at(name)));
    EXPECT_FALSE(fs::exists(at(name) + ".partial"));
    return at(name);
  }
  static Json said_json(const std::string& arguments) {
    const Said said = type(arguments + " --json");
    EXPECT_EQ(said.code, 0) << arguments << "\n" << said.err;
    EXPECT_EQ(said.err, "") << arguments;
    return parse_json(said.out, arguments, ErrorKind::data);
  }
  // (T V) of a fixed prompt.
  static std::vector<float> logits(const std::string& of, const std::string& more = "") {
    const Said said = type("model generate " + of + " --max-new-tokens 2 --ids " + kIds + " --logits " +
                           at("logits.safetensors") + " " + more);
    EXPECT_EQ(said.code, 0) << said.err;
    return SafeTensors::open(at("logits.safetensors")).floats("logits", {6, test::kTokenizerIds + test::kUnusedIds});
  }

  static inline fs::path folder;
  static inline std::string language, clip, adapter, same, turned;
  static inline std::vector<std::string> pairs;
};

const Tol kSums = Tol::rel(2e-5, "float32 sums in another order");

void expect_answer(const Json& json) {
  EXPECT_TRUE(json.at("caption").is_string());
  EXPECT_EQ(json.at("caption"), json.at("captions").at(0).at("text"));
  for (const char* key : {"x", "y", "p_zoom"}) {
    EXPECT_GE(json.at("action").at(key), 0) << key;
    EXPECT_LE(json.at("action").at(key), 1) << key;
  }
  EXPECT_EQ(json.at("action").at("a"), json.at("changed").get<bool>() ? 1 : 0);
  EXPECT_EQ(json.at("changes").empty(), !json.at("changed").get<bool>());
  for (const Json& change : json.at("changes")) EXPECT_EQ(change.at("box").size(), 4u);
  EXPECT_GT(json.at("region").at("share"), 0);
}

TEST_F(Model, OfEveryFusionIsSoundAndAnswers) {
  const std::string nano = (test::source_dir() / "models/nano/vision").string();
  const std::vector<std::string> kinds = {"--fusion concat",
                                          "--fusion subtract --condition visual_attention --width 33",
                                          "--fusion patch --template plain",
                                          "--fusion patch --condition visual_attention --reference",
                                          "--fusion concat --template chatml --adapter " + adapter,
                                          "--fusion subtract --reference --adapter " + adapter};
  std::size_t visited = 0;
  for (const std::string& kind : kinds) {
    const std::string model = make(fmt::format("fusion{}", visited), kind);
    const Said sound = type("model check " + model);
    EXPECT_EQ(sound.code, 0) << sound.err;
    EXPECT_THAT(sound.out, HasSubstr("sound"));
    expect_answer(said_json(pairs[visited % 2] + " --model " + model));
    const Json hover = said_json(same + " --model " + model);
    expect_answer(hover);
    EXPECT_EQ(hover.at("caption"), "the scene is the same as before");
    EXPECT_EQ(hover.at("action").at("a"), 0);
    EXPECT_EQ(hover.at("action").at("p_zoom"), 0);
    if (visited == 0) {
      EXPECT_EQ(said_json(same + " --instruction 有什么变化？ --model " + model).at("caption"), "场景与之前相同");
    }
    EXPECT_EQ(fs::exists(fs::path(model) / "language"), kind.find("--reference") == std::string::npos);
    ++visited;
  }
  EXPECT_EQ(visited, 6u);
  const Said efficient = type("model new --vision " + nano + " --language " + language + " --out " + at("efficient/"));
  ASSERT_EQ(efficient.code, 0) << efficient.err;
  EXPECT_EQ(type("model check " + at("efficient")).code, 0);
  expect_answer(said_json(pairs[0] + " --model " + at("efficient")));
}

TEST_F(Model, ImagesTheirOrderAndTheSeedReachTheAnswer) {
  for (const char* fusion : {"--fusion concat", "--fusion subtract", "--fusion patch"}) {
    const std::string model = make(std::string("reach_") + (fusion + 9), fusion);
    const auto answer = [&](const std::string& pair) {
      Json json = said_json(pair + " --model " + model);
      json.erase("times_ms");
      return json.dump();
    };
    EXPECT_NE(answer(pairs[0]), answer(pairs[1])) << fusion;
    EXPECT_NE(answer(pairs[0]), answer(turned)) << fusion;
    // With a map an untrained head's point, in a corner whatever the seed, is all that the seed could change.
    if (std::string(fusion) != "--fusion patch") {
      EXPECT_NE(answer(pairs[0]), answer(pairs[0] + " --seed 1")) << fusion;
    }
  }
}

TEST_F(Model, TheSeedDecidesTheStart) {
  const auto start = [&](const std::string& name, const std::string& seed) {
    return test::slurp(fs::path(make(name, "--fusion patch --seed " + seed)) / "fusion.safetensors");
  };
  EXPECT_EQ(start("seed1", "3"), start("seed2", "3"));
  EXPECT_NE(start("seed3", "3"), start("seed4", "4"));
}

TEST_F(Model, InfoSaysWhatEachFolderHolds) {
  const Json json = said_json("model info " + make("told", "--fusion patch --name Mine --adapter " + adapter));
  EXPECT_EQ(json.at("name"), "Mine");
  EXPECT_EQ(json.at("vision").at("kind"), "clip_vit");
  EXPECT_EQ(json.at("vision").at("patches"), (Json{2, 2}));
  EXPECT_EQ(json.at("language").at("vocab_size"), 305);
  EXPECT_EQ(json.at("adapter").at("r"), 2);
  EXPECT_EQ(json.at("fusion").at("grid"), 2);
  EXPECT_EQ(json.at("template"), "smollm2");
  EXPECT_EQ(json.at("training").at("trained"), false);
  EXPECT_EQ(said_json("model info " + language).at("language").at("linear_layers"), "dense");
  EXPECT_EQ(said_json("model info " + clip).at("vision").at("image_size"), 64);
  EXPECT_EQ(said_json("model info " + adapter).at("adapter").at("alpha"), 4);
  EXPECT_THAT(type("model info " + language).out, HasSubstr("architecture     qwen2"));
}

// The same folder, its weights replaced by what the packed ones mean.
std::string dequantised(const std::string& packed, const std::string& out) {
  const fs::path from = packed, to = test::fresh_folder(out);
  const LanguageConfig config = read_language_config(from / "config.json");
  const SafeTensors file = SafeTensors::open(from);
  std::vector<TensorToWrite> tensors;
  for (const TensorToWrite& t : test::random_weights(test::language_shapes(), 0)) {
    const std::string prefix = t.name.substr(0, t.name.rfind('.'));
    const bool packed_weight = t.name.ends_with(".weight") && storage_of(file, prefix) != Storage::dense;
    tensors.push_back({t.name, t.shape,
                       packed_weight
                           ? weight_floats(file, prefix, static_cast<int>(t.shape[0]), static_cast<int>(t.shape[1]))
                           : file.floats(t.name, t.shape),
                       DType::f32});
  }
  LanguageConfig dense = config;
  dense.nf4.reset();
  write_language_config(to / "config.json", dense);
  write_safetensors(to / "model.safetensors", tensors);
  return to.string();
}

TEST_F(Model, QuantisedFoldersGiveTheLogitsOfWhatTheyStore) {
  const std::vector<float> dense = logits(language);
  int visited = 0;
  for (const char* how : {"", "--single", "--int8-embedding", "--single --int8-embedding --compute-dtype float16"}) {
    const std::string out = at(fmt::format("quantised{}", visited));
    const Said said = type("model quantize " + language + " --out " + out + " " + how);
    ASSERT_EQ(said.code, 0) << said.err;
    const std::vector<float> got = logits(out);
    EXPECT_TRUE(close(how, got, logits(dequantised(out, "dequantised")), kSums));
    EXPECT_FALSE(close(how, got, dense, kSums)) << "nothing was quantised";
    EXPECT_TRUE(close(how, got, dense, Tol::rel(0.5, "4 bits: of the same size at least")));
    const bool single = std::string(how).find("--single") != std::string::npos;
    const bool int8 = std::string(how).find("int8") != std::string::npos;
    const Json info = said_json("model info " + out).at("language");
    EXPECT_EQ(info.at("linear_layers"), single ? "nf4" : "nf4, double quantised");
    EXPECT_EQ(info.at("embedding"), int8 ? "int8" : "dense");
    for (const char* file : {"tokenizer.json", "tokenizer_config.json"})
      EXPECT_EQ(test::slurp(fs::path(out) / file), test::slurp(fs::path(language) / file));
    ++visited;
  }
  EXPECT_EQ(visited, 4);
  // such a folder is a language model like any other, with an adapter beside its weights
  const Said said = type("model new --vision " + clip + " --language " + at("quantised2") + " --adapter " + adapter +
                         " --out " + at("qlora"));
  ASSERT_EQ(said.code, 0) << said.err;
  EXPECT_EQ(type("model check " + at("qlora")).code, 0);
  expect_answer(said_json(pairs[0] + " --model " + at("qlora")));
  EXPECT_TRUE(
      close("adapter on NF4", logits(at("qlora")), logits(at("quantised2"), "--adapter " + adapter), Tol::exact()));
}

TEST_F(Model, MergedWeightsAreTheAdapterAppliedAndComeBack) {
  const std::string merged = at("merged"), undone = at("undone");
  ASSERT_EQ(type("model merge " + language + " --adapter " + adapter + " --out " + merged).code, 0);
  ASSERT_EQ(type("model merge " + merged + " --undo --adapter " + adapter + " --out " + undone).code, 0);
  const std::vector<float> base = logits(language), beside = logits(language, "--adapter " + adapter);
  EXPECT_TRUE(close("merged", logits(merged), beside, kSums));
  EXPECT_FALSE(close("without", base, beside, Tol::rel(1e-2, "the adapter counts")));
  EXPECT_TRUE(close("undone", logits(undone), base, kSums));
  const SafeTensors before = SafeTensors::open(language), middle = SafeTensors::open(merged),
                    after = SafeTensors::open(undone);
  int changed = 0, kept = 0;
  for (const auto& [name, view] : before.tensors()) {
    const bool adapted =
        name.find("q_proj.weight") != std::string::npos || name.find("v_proj.weight") != std::string::npos;
    EXPECT_EQ(middle.tensors().at(name).bytes == view.bytes, !adapted) << name;
    EXPECT_TRUE(close(name, after.floats(name, view.shape), before.floats(name, view.shape),
                      Tol::rel(4e-7, "one rounding of each addition to float32")));
    ++(adapted ? changed : kept);
  }
  EXPECT_EQ(changed, 2 * test::kLayers);
  EXPECT_GT(kept, changed);
}

TEST_F(Model, MergingRoundsToTheDtypeOfTheWeights) {
  const std::string half = test::make_small_language("model_half", test::kSmolTemplate, DType::bf16).string();
  ASSERT_EQ(type("model merge " + half + " --adapter " + adapter + " --out " + at("merged_half")).code, 0);
  ASSERT_EQ(type("model merge " + at("merged_half") + " --undo --adapter " + adapter + " --out " + at("back")).code, 0);
  const SafeTensors before = SafeTensors::open(half), after = SafeTensors::open(at("back"));
  const std::string name = "model.layers.0.self_attn.q_proj.weight";
  EXPECT_EQ(after.tensors().at(name).dtype, DType::bf16);
  const auto values = [&](const SafeTensors& file) { return file.floats(name, {test::kHidden, test::kHidden}); };
  EXPECT_TRUE(close(name, values(after), values(before), Tol::rel(0.02, "two roundings to 8 bits")));
  EXPECT_FALSE(close(name, values(after), values(before), Tol::exact())) << "the documented loss would be gone";
}

TEST_F(Model, GenerateContinuesTextAndIds) {
  const std::string generate = "model generate " + language + " --max-new-tokens 5 ";
  const Json text = said_json(generate + "--prompt 'a road and'");
  EXPECT_EQ(text.at("ids").size(), 5u);
  for (const Json& id : text.at("ids")) EXPECT_LT(id, test::kTokenizerIds) << "an id that the tokenizer lacks";
  std::string ids;
  for (const Json& id : text.at("prompt_ids")) ids += (ids.empty() ? "" : ",") + id.dump();
  EXPECT_EQ(said_json(generate + "--ids " + ids).at("ids"), text.at("ids"));
  EXPECT_EQ(said_json(generate + "--beams 1 --ids " + ids).at("ids"), text.at("ids"));
  const Said shown = type(generate + "--prompt 'a road and'");
  EXPECT_THAT(shown.out, HasSubstr("a second, peak memory"));
  // also through a model folder, copied or referred to
  for (const char* how : {"--template plain", "--template plain --reference"}) {
    const std::string model = make(std::string("generate") + (how[16] != '\0' ? "2" : "1"), how);
    EXPECT_EQ(said_json("model generate " + model + " --max-new-tokens 5 --ids " + ids).at("ids"), text.at("ids"));
  }
}

}  // namespace
}  // namespace cp
