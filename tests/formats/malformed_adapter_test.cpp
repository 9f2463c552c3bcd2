// Adapters that are damaged, of another model, or of a kind that is not supported: refused by name.
#include <fstream>

#include "core/file.h"
#include "core/json.h"
#include "formats/peft_golden.h"

namespace cp {
namespace {

using test::PeftGolden;
using test::throws_user_error;
using Parts = std::initializer_list<const char*>;

constexpr const char* kConfigFile = "adapter_config.json";
constexpr const char* kWeightsFile = "adapter_model.safetensors";
const std::string kQ0 = "base_model.model.model.layers.0.self_attn.q_proj.";

std::string bytes_of(const std::filesystem::path& path) { return read_file(path, 1 << 20, ErrorKind::model); }

void put(const std::filesystem::path& path, const std::string& bytes) {
  std::filesystem::remove(path);  // ext4 writes a truncated file to the disk at once, a new one later
  std::ofstream(path, std::ios::binary).write(bytes.data(), static_cast<std::streamsize>(bytes.size()));
}

// A case in a folder of its own, to be damaged.
struct Damaged {
  PeftGolden golden;
  std::filesystem::path folder = test::fresh_folder("damaged");
  Json config;
  std::map<std::string, TensorToWrite> tensors;

  explicit Damaged(const std::string& name = "q_v") : config(Json::parse(bytes_of(golden.folder(name) / kConfigFile))) {
    const SafeTensors file = SafeTensors::open(golden.folder(name) / kWeightsFile);
    for (const auto& [tensor, view] : file.tensors())
      tensors[tensor] = {tensor, view.shape, file.floats(tensor, {-1, -1}), DType::f32};
  }
  void rename(const std::string& from, const std::string& to) {
    tensors[to] = tensors.at(from);
    tensors[to].name = to;
    tensors.erase(from);
  }
  void write() const {
    std::vector<TensorToWrite> list;
    for (const auto& [name, tensor] : tensors) list.push_back(tensor);
    put(folder / kWeightsFile, encode_safetensors(list));
    put(folder / kConfigFile, config.dump());
  }
  Adapter read() const {
    write();
    return read_adapter(folder, golden.linears);
  }
  ::testing::AssertionResult refused(Parts parts) const {
    return throws_user_error([&] { read(); }, ErrorKind::model, parts);
  }
};

TEST(MalformedAdapter, TheUndamagedOneIsRead) { EXPECT_EQ(Damaged().read().modules.size(), 4u); }

TEST(MalformedAdapter, EverythingThatChangesTheComputationIsRefusedByName) {
  const std::pair<const char*, Json> kActive[] = {
      {"peft_type", "LOHA"},
      {"peft_type", nullptr},
      {"bias", "all"},
      {"bias", "lora_only"},
      {"use_dora", true},
      {"use_dora", 1},
      {"use_qalora", true},
      {"lora_bias", true},
      {"fan_in_fan_out", true},
      {"ensure_weight_tying", true},
      {"modules_to_save", {"lm_head"}},
      {"exclude_modules", {"v_proj"}},
      {"exclude_modules", "v_proj"},
      {"layers_pattern", "layers"},
      {"layer_replication", {{0, 1}, {0, 1}}},
      {"megatron_config", {{"a", 1}}},
      {"trainable_token_indices", {1, 2}},
      {"target_parameters", {"mlp.experts"}},
      {"alora_invocation_tokens", {5}},
      {"loftq_config", {{"loftq_bits", 4}}},
      {"corda_config", {{"cache_file", nullptr}}},
      {"lora_ga_config", {{"scale", "stable"}}},
      {"arrow_config", {{"top_k", 3}}},
      {"kasa_config", {{"beta", 1e-4}}},
      {"velora_config", {{"scale", 1}}},
      {"monteclora_config", {{"num_samples", 8}}},
      {"use_bdlora", {{"nblocks", 2}}},
      {"init_lora_weights", "pissa"},
      {"init_lora_weights", "pissa_niter_4"},
      {"init_lora_weights", "olora"},
      {"init_lora_weights", "corda"},
      {"init_lora_weights", "loftq"},
      {"init_lora_weights", "lora_ga"},
      {"init_lora_weights", "mica"},
      {"init_lora_weights", 1},
      {"a_field_of_peft_9", true},
      {"a_field_of_peft_9", 0},
      {"a_field_of_peft_9", "x"},
      {"a_field_of_peft_9", {{"a", nullptr}}},
      {"target_modules", ".*q_proj"},
      {"target_modules", "(q|v)_proj"},
      {"target_modules", ""},
      {"target_modules", Json::array()},
      {"target_modules", nullptr},
      {"target_modules", {"q_proj", 3}},
      {"target_modules", {"(q|v)_proj"}},
      {"rank_pattern", {{".*q_proj", 4}}},
      {"rank_pattern", {{"q_proj$", 4}}},
      {"rank_pattern", {{"layers\\.0.q_proj", 4}}},
      {"rank_pattern", {{"", 4}}},
      {"rank_pattern", {{"^", 4}}},
      {"rank_pattern", {{"q_proj", 0}}},
      {"rank_pattern", {{"q_proj", 4.5}}},
      {"rank_pattern", {{"q_proj", "4"}}},
      {"rank_pattern", {4}},
      {"alpha_pattern", {{"(q|v)_proj", 4}}},
      {"alpha_pattern", {{"q_proj", 0}}},
      {"alpha_pattern", {{"q_proj", nullptr}}},
      {"r", 0},
      {"r", -4},
      {"r", 4.0},
      {"r", 1 << 20},
      {"r", nullptr},
      {"lora_alpha", 0},
      {"lora_alpha", -8},
      {"lora_alpha", "8"},
      {"lora_alpha", 1e300},
      {"lora_alpha", true},
      {"lora_dropout", 1},
      {"lora_dropout", -0.1},
      {"use_rslora", 1},
      {"use_rslora", "true"},
      {"layers_to_transform", {-1}},
      {"layers_to_transform", {0.5}},
      {"layers_to_transform", "0"},
      {"task_type", 3},
      {"base_model_name_or_path", 3},
  };
  for (const auto& [key, value] : kActive) {
    Damaged damaged;
    damaged.config[key] = value;
    EXPECT_TRUE(damaged.refused({key})) << key << ": " << value;
  }
  for (const char* key : {"peft_type", "r", "lora_alpha", "target_modules"}) {
    Damaged damaged;
    damaged.config.erase(key);
    EXPECT_TRUE(damaged.refused({key, "missing"}));
  }
}

TEST(MalformedAdapter, FieldsThatCannotBeActiveAreAccepted) {
  for (const Json& value : {Json(nullptr), Json(false), Json(""), Json::array(), Json::object()}) {
    Damaged damaged;
    for (const char* key : {"a_field_of_peft_9", "use_dora", "modules_to_save", "exclude_modules", "layers_pattern"})
      damaged.config[key] = value;
    EXPECT_EQ(damaged.read().modules.size(), 4u) << value;
  }
}

TEST(MalformedAdapter, AllFaultsOfTheTensorsStandInOneError) {
  Damaged damaged;
  damaged.tensors.erase(kQ0 + "lora_B.weight");
  damaged.rename("base_model.model.model.layers.1.self_attn.v_proj.lora_A.weight",
                 "base_model.model.lm_head.lora_A.weight");
  TensorToWrite& a = damaged.tensors.at(kQ0 + "lora_A.weight");
  std::swap(a.shape[0], a.shape[1]);
  EXPECT_TRUE(damaged.refused(
      {"missing: base_model.model.model.layers.0.self_attn.q_proj.lora_B.weight [16, 4]",
       "missing: base_model.model.model.layers.1.self_attn.v_proj.lora_A.weight [4, 16]",
       "unknown: base_model.model.lm_head.lora_A.weight",
       "shape: base_model.model.model.layers.0.self_attn.q_proj.lora_A.weight wanted [4, 16], found [16, 4]"}));
}

TEST(MalformedAdapter, HalfOfTheKeysOrNoneAreRefused) {
  Damaged halves[3];
  for (const auto& [name, tensor] : Damaged().tensors) {
    if (name.find("lora_B") != std::string::npos) halves[0].tensors.erase(name);
    if (name.find("lora_A") != std::string::npos) halves[1].tensors.erase(name);
    if (name.find("layers.1") != std::string::npos) halves[2].tensors.erase(name);
  }
  EXPECT_TRUE(halves[0].refused({"missing", "q_proj.lora_B", "v_proj.lora_B"}));
  EXPECT_TRUE(halves[1].refused({"missing", "q_proj.lora_A", "v_proj.lora_A"}));
  EXPECT_TRUE(halves[2].refused({"missing", "layers.1.self_attn.q_proj.lora_A"}));
  Damaged empty;
  empty.tensors.clear();
  EXPECT_TRUE(empty.refused({"empty"}));
}

TEST(MalformedAdapter, OtherRanksAndTargetsThanTheFilesAreRefused) {
  Damaged rank, pattern, fewer, more;
  rank.config["r"] = 8;
  EXPECT_TRUE(rank.refused({"wanted [8, 16], found [4, 16]"}));
  pattern.config["rank_pattern"] = {{"v_proj", 2}};
  EXPECT_TRUE(pattern.refused({"v_proj.lora_A.weight wanted [2, 16], found [4, 16]"}));
  fewer.config["target_modules"] = {"q_proj"};
  EXPECT_TRUE(fewer.refused({"unknown", "v_proj"}));
  more.config["target_modules"] = {"q_proj", "v_proj", "k_proj"};
  EXPECT_TRUE(more.refused({"missing", "k_proj"}));
}

TEST(MalformedAdapter, NamesInTwoSpellingsAreRefused) {
  Damaged twice, mixed, adapters, bare;
  twice.tensors["model.layers.0.self_attn.q_proj.lora_A.weight"] = twice.tensors.at(kQ0 + "lora_A.weight");
  twice.tensors["model.layers.0.self_attn.q_proj.lora_A.weight"].name = "model.layers.0.self_attn.q_proj.lora_A.weight";
  EXPECT_TRUE(twice.refused({"unknown: model.layers.0.self_attn.q_proj.lora_A.weight"}));
  mixed.rename(kQ0 + "lora_A.weight", "model.layers.0.self_attn.q_proj.lora_A.weight");
  EXPECT_TRUE(mixed.refused({"missing", "unknown"}));
  adapters.rename(kQ0 + "lora_A.weight", kQ0 + "lora_A.first.weight");
  adapters.rename(kQ0 + "lora_B.weight", kQ0 + "lora_B.second.weight");
  EXPECT_TRUE(adapters.refused({"missing", "lora_B.first.weight", "unknown", "lora_B.second.weight"}));
  bare.rename(kQ0 + "lora_A.weight", "q_proj.lora_A.weight");
  EXPECT_TRUE(bare.refused({"unknown: q_proj.lora_A.weight"}));
}

TEST(MalformedAdapter, ValuesThatAreNotFiniteAreRefusedByName) {
  for (const float value : {NAN, INFINITY, -INFINITY}) {
    Damaged damaged;
    damaged.tensors.at(kQ0 + "lora_A.weight").values[5] = value;
    damaged.tensors.at("base_model.model.model.layers.1.self_attn.v_proj.lora_B.weight").values.back() = value;
    EXPECT_TRUE(
        damaged.refused({"not finite", "layers.0.self_attn.q_proj.lora_A", "layers.1.self_attn.v_proj.lora_B"}));
  }
}

TEST(MalformedAdapter, FilesThatAreMissingOrPicklesAreRefused) {
  Damaged damaged;
  damaged.write();
  std::filesystem::remove(damaged.folder / kWeightsFile);
  const auto read = [&] { read_adapter(damaged.folder, damaged.golden.linears); };
  EXPECT_TRUE(throws_user_error(read, ErrorKind::model, {kWeightsFile}));
  put(damaged.folder / "adapter_model.bin", "PK");
  EXPECT_TRUE(throws_user_error(read, ErrorKind::model, {"adapter_model.bin", "pickle", "save_pretrained"}));
  std::filesystem::remove(damaged.folder / kConfigFile);
  EXPECT_TRUE(throws_user_error(read, ErrorKind::model, {kConfigFile}));
}

// Every proper beginning of either file, then every byte changed: an error of the user's, or (for a changed byte) an
// adapter of the shapes that the configuration asks for.
TEST(MalformedAdapter, CutAndChangedBytesNeverEndInAnythingElse) {
  Damaged damaged("rank_one");
  damaged.write();
  std::size_t cuts = 0, refused = 0, accepted = 0;
  for (const char* file : {kConfigFile, kWeightsFile}) {
    const std::string whole = bytes_of(damaged.folder / file);
    const auto read = [&] { return read_adapter(damaged.folder, damaged.golden.linears); };
    for (std::size_t size = 0; size < whole.size(); ++size, ++cuts) {
      put(damaged.folder / file, whole.substr(0, size));
      EXPECT_TRUE(throws_user_error([&] { read(); }, ErrorKind::model, {})) << file << " cut to " << size;
    }
    for (std::size_t i = 0; i < whole.size(); ++i) {
      std::string changed = whole;
      changed[i] = static_cast<char>(changed[i] ^ 1);
      put(damaged.folder / file, changed);
      try {
        for (const auto& [name, lora] : read().modules) {
          ASSERT_EQ(lora.a.size(), 16u * static_cast<std::size_t>(lora.rank)) << file << ", byte " << i;
          ASSERT_EQ(lora.b.size(), 16u * static_cast<std::size_t>(lora.rank)) << file << ", byte " << i;
        }
        ++accepted;
      } catch (const UserError&) {
        ++refused;
      }
    }
    put(damaged.folder / file, whole);
  }
  EXPECT_GT(cuts, 1500u);
  EXPECT_EQ(refused + accepted, cuts);
  EXPECT_GT(refused, accepted);  // most bytes of such a small adapter are names
}

}  // namespace
}  // namespace cp
