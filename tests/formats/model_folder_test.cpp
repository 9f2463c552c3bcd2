// changepilot.json: round trip, refusals by name, hashes.
#include "formats/model_folder.h"

#include "core/file.h"
#include "support/test_support.h"

namespace cp {
namespace {

namespace fs = std::filesystem;

// A small folder with all parts, hashed and written.
ModelManifest make_folder(const fs::path& folder) {
  for (const char* file : {"fusion.safetensors", "head.safetensors", "vision/model.safetensors",
                           "language/tokenizer.json", "README.md", ".hidden", ".cache/x.json"})
    write_file_durable(folder / file, std::string("content of ") + file);
  ModelManifest manifest;
  manifest.fusion.concepts = {"house", "road"};
  manifest.default_instruction = {{"en", "what changed"}};
  manifest.no_change_caption = {{"en", "nothing"}, {"zh", "没有变化"}};
  manifest.flag = {.threshold = 0.1, .bias = -1.0 / 3, .temperature = 1.7};
  manifest.region.levels = {{0.5, 0.25}, {0.9, 0.8125}};
  manifest.region.n = 263;
  manifest.training = {{"seeds", {1, 2}}, {"command", "changepilot train"}};
  fill_hashes(folder, manifest);
  write_manifest(folder, manifest);
  return manifest;
}

Json json_of(const fs::path& folder) { return read_json(folder / kManifestFile, ErrorKind::model); }

TEST(ModelManifest, ComesBackAsItWas) {
  const fs::path folder = test::fresh_folder("manifest"), other = test::fresh_folder("manifest2");
  const ModelManifest manifest = make_folder(folder);
  const ModelManifest read = read_manifest(folder);
  EXPECT_EQ(read.flag.bias, manifest.flag.bias);  // to the bit
  EXPECT_EQ(read.fusion.concepts, manifest.fusion.concepts);
  EXPECT_EQ(read.no_change_caption, manifest.no_change_caption);
  EXPECT_EQ(read.files, manifest.files);
  EXPECT_EQ(read.training, manifest.training);
  write_manifest(other, read);
  EXPECT_EQ(read_file(folder / kManifestFile, 1 << 20, ErrorKind::model),
            read_file(other / kManifestFile, 1 << 20, ErrorKind::model));
}

TEST(ModelManifest, EveryFieldComesBack) {
  const fs::path folder = test::fresh_folder("manifest-all");
  ModelManifest m = make_folder(folder);
  m.name = "other";
  m.vision = {.path = "/models/clip", .kind = "clip_vit"};
  m.language = {.path = "/models/qwen", .adapter = "adapter"};
  m.fusion = {.kind = "concat",
              .file = "f/x.safetensors",
              .strides = {},
              .width = 32,
              .map_size = 0,
              .grid = 1,
              .token_strides = {},
              .concepts = {}};
  m.template_name = "chatml";
  m.decoding = {.beams = 5, .length_penalty = -0.5, .max_new_tokens = 7};
  m.head = {.kind = "flow",
            .file = "h.safetensors",
            .condition = "queries",
            .schedule = "linear",
            .train_steps = 100,
            .sampler = "ddpm",
            .steps = 99,
            .spacing = "leading",
            .samples = 3,
            .snap_sigma = 0,
            .target = "union"};
  m.region = {.level = 0.5,
              .levels = {{0.5, 0.3}, {0.8, 0.6}},
              .map_share = 0.25,
              .target = "centroid",
              .sampler = ModelManifest::Region::Sampler{"ddpm", 99, "leading", 3},
              .n = 12,
              .method = "other"};
  m.abstain.area = 0.5;
  write_manifest(folder, m);
  const Json want = json_of(folder);
  write_manifest(folder, read_manifest(folder));
  EXPECT_EQ(json_of(folder), want);
  const ModelManifest::Region read = read_manifest(folder).region;
  EXPECT_EQ(read.levels, m.region.levels);
  EXPECT_EQ(read.threshold(), 0.3);
  EXPECT_EQ(read.map_share, 0.25);
  EXPECT_EQ(read.sampler, m.region.sampler);
  EXPECT_EQ(read_manifest(folder).abstain.area, 0.5);
  for (const char* text : {"other", "/models/clip", "/models/qwen", "concat", "f/x.safetensors", "chatml", "flow",
                           "queries", "linear", "ddpm", "leading", "union", "centroid", "other"})
    EXPECT_NE(want.dump().find('"' + std::string(text) + '"'), std::string::npos) << text;
}

TEST(ModelManifest, TheOldFormOfTheRegionIsOneLevelOfTheMap) {
  const fs::path folder = test::fresh_folder("manifest-old");
  make_folder(folder);
  Json json = json_of(folder);
  json["region"] = {{"level", 0.9}, {"threshold", 0.75}, {"n", 7}, {"method", "split_conformal"}};
  json["head"]["target"] = "union";
  json.erase("abstain");
  const ModelManifest m = parse_manifest(json.dump(), "old");
  EXPECT_EQ(m.region.levels, (std::vector<ModelManifest::Region::Level>{{0.9, 0.75}}));
  EXPECT_EQ(m.region.threshold(), 0.75);
  EXPECT_EQ(m.region.map_share, 1);
  EXPECT_EQ(m.region.target, "union");
  EXPECT_FALSE(m.region.sampler);
  EXPECT_EQ(m.abstain.area, 1) << "never";
}

struct Kind {
  const char* name;
  std::function<void(Json&)> damage;
  std::vector<const char*> parts;  // of the message
};

TEST(ModelManifest, EveryFaultIsNamed) {
  const fs::path folder = test::fresh_folder("manifest-bad");
  make_folder(folder);
  const Json good = json_of(folder);
  const std::vector<Kind> kinds = {
      {"no object", [](Json& j) { j = 1; }, {"wanted an object"}},
      {"no version", [](Json& j) { j.erase("version"); }, {"\"version\" is missing"}},
      {"next version", [](Json& j) { j["version"] = 2; }, {"\"version\"", "reads version 1, found 2"}},
      {"version text", [](Json& j) { j["version"] = "1"; }, {"\"version\"", "whole number"}},
      {"unknown field", [](Json& j) { j["extra"] = 1; }, {"unknown field \"extra\""}},
      {"misspelt field",
       [](Json& j) { j["head"]["snap_sigm"] = 1; },
       {"head", "unknown field \"snap_sigm\"", "\"snap_sigma\""}},
      {"no name", [](Json& j) { j.erase("name"); }, {"\"name\" is missing"}},
      {"empty name", [](Json& j) { j["name"] = ""; }, {"\"name\"", "empty"}},
      {"no vision", [](Json& j) { j.erase("vision"); }, {"\"vision\" is missing"}},
      {"vision text", [](Json& j) { j["vision"] = "vision"; }, {"vision", "wanted an object"}},
      {"vision kind", [](Json& j) { j["vision"]["kind"] = "resnet"; }, {"efficientnet_lite, clip_vit", "resnet"}},
      {"vision leaves", [](Json& j) { j["vision"]["path"] = "../x"; }, {"\"path\"", "../x"}},
      {"vision detour", [](Json& j) { j["vision"]["path"] = "a/../../x"; }, {"\"path\"", "a/../../x"}},
      {"absolute detour", [](Json& j) { j["vision"]["path"] = "/a/../x"; }, {"\"path\"", "/a/../x"}},
      {"language dot", [](Json& j) { j["language"]["path"] = "."; }, {"\"path\""}},
      {"language zero byte", [](Json& j) { j["language"]["path"] = std::string("a\0b", 3); }, {"\"path\""}},
      {"fusion absolute",
       [](Json& j) { j["fusion"]["file"] = "/etc/passwd"; },
       {"inside the model folder", "/etc/passwd"}},
      {"head leaves", [](Json& j) { j["head"]["file"] = "../head.safetensors"; }, {"inside the model folder"}},
      {"head backslash", [](Json& j) { j["head"]["file"] = "..\\head"; }, {"inside the model folder"}},
      {"head folder", [](Json& j) { j["head"]["file"] = "head/"; }, {"inside the model folder"}},
      {"no strides",
       [](Json& j) { j["fusion"]["strides"] = Json::array(); },
       {"token_strides", "not one of \"strides\""}},
      {"strides of one row", [](Json& j) { j["fusion"]["kind"] = "concat"; }, {"\"strides\"", "wanted none"}},
      {"a map of one row",
       [](Json& j) {
         j["fusion"]["kind"] = "subtract";
         j["fusion"]["strides"] = j["fusion"]["token_strides"] = Json::array();
       },
       {"\"map_size\"", "64"}},
      {"an adapter outside", [](Json& j) { j["language"]["adapter"] = "../lora"; }, {"\"adapter\"", "../lora"}},
      {"strides by 4",
       [](Json& j) {
         j["fusion"]["strides"] = {32, 8};
       },
       {"half of the one before"}},
      {"stride 0", [](Json& j) { j["fusion"]["strides"] = {0}; }, {"\"strides\"", "found 0"}},
      {"stride text", [](Json& j) { j["fusion"]["strides"] = {"32"}; }, {"\"strides\""}},
      {"strides number", [](Json& j) { j["fusion"]["strides"] = 32; }, {"\"strides\"", "list"}},
      {"token stride", [](Json& j) { j["fusion"]["token_strides"] = {64}; }, {"\"token_strides\"", "64"}},
      {"width 0", [](Json& j) { j["fusion"]["width"] = 0; }, {"\"width\"", "found 0"}},
      {"width huge", [](Json& j) { j["fusion"]["width"] = UINT64_MAX; }, {"\"width\""}},
      {"grid", [](Json& j) { j["fusion"]["grid"] = 5; }, {"\"grid\"", "divisor of map_size 64"}},
      {"concept number", [](Json& j) { j["fusion"]["concepts"] = {1}; }, {"\"concepts\"", "texts"}},
      {"no template", [](Json& j) { j.erase("template"); }, {"\"template\" is missing"}},
      {"instruction text", [](Json& j) { j["default_instruction"] = "x"; }, {"\"default_instruction\""}},
      {"caption number", [](Json& j) { j["no_change_caption"]["en"] = 3; }, {"\"no_change_caption\""}},
      {"threshold null", [](Json& j) { j["flag"]["threshold"] = nullptr; }, {"flag", "\"threshold\"", "number"}},
      {"temperature 0", [](Json& j) { j["flag"]["temperature"] = 0; }, {"\"temperature\""}},
      {"temperature negative", [](Json& j) { j["flag"]["temperature"] = -1; }, {"\"temperature\""}},
      {"no beams", [](Json& j) { j["decoding"]["beams"] = 0; }, {"\"beams\""}},
      {"half a beam", [](Json& j) { j["decoding"]["beams"] = 2.5; }, {"\"beams\""}},
      {"too many tokens", [](Json& j) { j["decoding"]["max_new_tokens"] = 257; }, {"\"max_new_tokens\"", "257"}},
      {"head kind", [](Json& j) { j["head"]["kind"] = "gan"; }, {"\"kind\"", "gan"}},
      {"condition", [](Json& j) { j["head"]["condition"] = "all"; }, {"\"condition\"", "all"}},
      {"more steps than trained", [](Json& j) { j["head"]["steps"] = 1001; }, {"\"steps\"", "1001"}},
      {"negative sigma", [](Json& j) { j["head"]["snap_sigma"] = -0.1; }, {"\"snap_sigma\""}},
      {"target", [](Json& j) { j["head"]["target"] = "centre"; }, {"\"target\"", "centre"}},
      {"level above 1", [](Json& j) { j["region"]["level"] = 1.1; }, {"\"level\""}},
      {"another level", [](Json& j) { j["region"]["level"] = 0.7; }, {"\"level\"", "one of \"levels\"", "0.7"}},
      {"no levels", [](Json& j) { j["region"]["levels"] = Json::array(); }, {"\"levels\"", "one or more"}},
      {"levels number", [](Json& j) { j["region"]["levels"] = 3; }, {"\"levels\"", "list"}},
      {"level text", [](Json& j) { j["region"]["levels"][0] = "x"; }, {"levels 1", "wanted an object"}},
      {"no threshold", [](Json& j) { j["region"]["levels"][1].erase("threshold"); }, {"levels 2", "threshold"}},
      {"falling levels",
       [](Json& j) { std::swap(j["region"]["levels"][0], j["region"]["levels"][1]); },
       {"\"levels\"", "rising"}},
      {"both forms", [](Json& j) { j["region"]["threshold"] = 0.5; }, {"region", "unknown field \"threshold\""}},
      {"map share", [](Json& j) { j["region"]["map_share"] = 1.5; }, {"\"map_share\"", "1.5"}},
      {"region target", [](Json& j) { j["region"]["target"] = "x"; }, {"region", "\"target\""}},
      {"sampler text", [](Json& j) { j["region"]["sampler"] = "ddim"; }, {"region, sampler", "object"}},
      {"sampler without steps",
       [](Json& j) {
         j["region"]["sampler"] = {{"kind", "ddim"}, {"spacing", "x"}, {"samples", 1}};
       },
       {"region, sampler", "\"steps\""}},
      {"abstain area", [](Json& j) { j["abstain"]["area"] = -0.1; }, {"abstain", "\"area\""}},
      {"abstain more", [](Json& j) { j["abstain"]["x"] = 1; }, {"abstain", "\"x\""}},
      {"negative n", [](Json& j) { j["region"]["n"] = -1; }, {"\"n\""}},
      {"files list", [](Json& j) { j["files"] = Json::array(); }, {"\"files\""}},
      {"short hash", [](Json& j) { j["files"]["x"] = "abc"; }, {"\"x\"", "64"}},
      {"upper-case hash", [](Json& j) { j["files"]["x"] = std::string(64, 'A'); }, {"\"x\"", "64"}},
      {"file leaves", [](Json& j) { j["files"]["../x"] = std::string(64, 'a'); }, {"../x", "leaves"}},
      {"training text", [](Json& j) { j["training"] = "x"; }, {"\"training\""}},
  };
  EXPECT_NO_THROW(parse_manifest(good.dump(), "x"));
  EXPECT_GE(kinds.size(), 50u);
  for (const Kind& kind : kinds) {
    Json json = good;
    kind.damage(json);
    for (const char* part : kind.parts)
      EXPECT_TRUE(test::throws_user_error([&] { parse_manifest(json.dump(), "model/changepilot.json"); },
                                          ErrorKind::model, {"model/changepilot.json", part}))
          << kind.name;
  }
  EXPECT_TRUE(
      test::throws_user_error([] { read_manifest("/nowhere"); }, ErrorKind::model, {"/nowhere/changepilot.json"}));
}

TEST(ModelManifest, WhatCouldNotBeReadIsNotWritten) {
  const fs::path folder = test::fresh_folder("manifest-nan");
  ModelManifest manifest = make_folder(folder);
  const Json before = json_of(folder);
  manifest.flag.threshold = std::numeric_limits<double>::quiet_NaN();
  EXPECT_TRUE(test::throws_user_error([&] { write_manifest(folder, manifest); }, ErrorKind::model, {"threshold"}));
  EXPECT_EQ(json_of(folder), before);
}

TEST(VerifyFiles, ListsAllThatDifferAtOnce) {
  const fs::path folder = test::fresh_folder("verify");
  ModelManifest manifest = make_folder(folder);
  EXPECT_EQ(manifest.files.size(), 4u);  // no card, no hidden files, not the manifest
  EXPECT_NO_THROW(verify_files(folder, read_manifest(folder)));
  write_file_durable(folder / "README.md", "edited");
  EXPECT_NO_THROW(verify_files(folder, manifest));
  write_file_durable(folder / "head.safetensors", "changed");
  fs::remove(folder / "vision/model.safetensors");
  manifest.files.erase("fusion.safetensors");
  EXPECT_TRUE(test::throws_user_error(
      [&] { verify_files(folder, manifest); }, ErrorKind::model,
      {"differs: head.safetensors", "missing: vision/model.safetensors", "not listed: fusion.safetensors"}));
}

TEST(VerifyFiles, CoversReferencedFolders) {
  const fs::path folder = test::fresh_folder("verify-own"), other = test::fresh_folder("verify-other");
  write_file_durable(other / "config.json", "{}");
  write_file_durable(other / "model.safetensors", "weights");
  write_file_durable(other / "pytorch_model.bin", "unused");
  ModelManifest manifest = make_folder(folder);
  manifest.language.path = other.string();
  fill_hashes(folder, manifest);
  EXPECT_EQ(manifest.files.size(), 6u);
  write_manifest(folder, manifest);
  EXPECT_EQ(part_path(folder, read_manifest(folder).language.path), other);
  EXPECT_EQ(part_path(folder, "vision"), folder / "vision");
  write_file_durable(other / "model.safetensors", "other weights");
  EXPECT_TRUE(test::throws_user_error([&] { verify_files(folder, manifest); }, ErrorKind::model,
                                      {"differs", (other / "model.safetensors").c_str()}));
}

}  // namespace
}  // namespace cp
