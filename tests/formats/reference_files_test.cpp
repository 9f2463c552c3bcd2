// Files of Python's safetensors and transformers (tests/oracle/formats_golden.py), read and written here.
#include <cmath>
#include <limits>

#include "core/file.h"
#include "core/json.h"
#include "formats/language_config.h"
#include "formats/safetensors.h"
#include "support/test_support.h"

namespace cp {
namespace {

const std::map<std::string, DType> kTorchNames = {
    {"float64", DType::f64}, {"float32", DType::f32}, {"float16", DType::f16}, {"bfloat16", DType::bf16},
    {"int64", DType::i64},   {"int32", DType::i32},   {"int16", DType::i16},   {"int8", DType::i8},
    {"uint8", DType::u8},    {"bool", DType::boolean}};

float number(const Json& value) {
  if (value == "inf") return std::numeric_limits<float>::infinity();
  if (value == "-inf") return -std::numeric_limits<float>::infinity();
  return value.get<float>();
}

// Tensors of `file` that differ from the listing in dtype, shape or any float.
int differing(const SafeTensors& file, const Json& listing) {
  int count = file.tensors().size() == listing.size() ? 0 : 1;
  for (const auto& [name, item] : listing.items()) {
    const auto shape = item["shape"].get<std::vector<std::int64_t>>();
    bool equal = file.has(name) && file.get(name, shape).dtype == kTorchNames.at(item["dtype"].get<std::string>());
    if (equal && item.contains("values")) {
      std::vector<float> want;
      for (const Json& value : item["values"]) want.push_back(number(value));
      equal = file.floats(name, shape) == want;
    }
    if (!equal) ++count;
  }
  return count;
}

TEST(ReferenceFiles, EveryDtypeIsRead) {
  const SafeTensors file = SafeTensors::open(test::golden("formats/all_dtypes.safetensors"));
  const Json listing = read_json(test::golden("formats/all_dtypes.json"), ErrorKind::data);
  EXPECT_EQ(listing.size(), 13u);
  EXPECT_EQ(differing(file, listing), 0);
  EXPECT_EQ(file.metadata().at("format"), "pt");
  EXPECT_EQ(file.get("i.i16", {1}).bytes, std::string_view("\xd4\xfe", 2));  // -300, little-endian
}

TEST(ReferenceFiles, PlantedFaultsAreNoticed) {
  const SafeTensors file = SafeTensors::open(test::golden("formats/all_dtypes.safetensors"));
  const Json listing = read_json(test::golden("formats/all_dtypes.json"), ErrorKind::data);
  Json faulty = listing;
  faulty["x.f16"]["dtype"] = "bfloat16";
  faulty["x.f64"]["values"][0] = std::nextafter(listing["x.f64"]["values"][0].get<float>(), 1.0f);
  faulty["empty"]["dtype"] = "float16";
  EXPECT_EQ(differing(file, faulty), 3);
}

std::vector<TensorToWrite> as_written() {
  const SafeTensors file = SafeTensors::open(test::golden("formats/as_written.safetensors"));
  const std::vector<float> base = file.floats("z.full", {-1});
  const auto n = static_cast<std::int64_t>(base.size());
  return {{"a.half", {3}, {base.begin(), base.begin() + 3}, DType::f16},
          {"b.half", {n, 1}, base, DType::f16},
          {"c.full", {}, {2.5f}, DType::f32},
          {"d.none", {2, 0}, {}, DType::f32},
          {"m.brain", {n}, base, DType::bf16},
          {"z.full", {n}, base, DType::f32}};
}

TEST(ReferenceFiles, WritingGivesTheReferencesBytes) {
  const std::string want = read_file(test::golden("formats/as_written.safetensors"), 1 << 20, ErrorKind::data);
  EXPECT_TRUE(encode_safetensors(as_written(), {{"format", "pt"}}) == want);
}

// Every dtype, in the reference's order: by dtype, then by name.
TEST(ReferenceFiles, BytesOfEveryDtypeAreWrittenAsTheReferenceWritesThem) {
  const std::string want = read_file(test::golden("formats/all_dtypes.safetensors"), 1 << 20, ErrorKind::data);
  const SafeTensors file = SafeTensors::parse(want, "golden");
  std::vector<TensorToWrite> tensors;
  for (const auto& [name, view] : file.tensors())
    tensors.push_back({name, view.shape, {}, view.dtype, std::string(view.bytes)});
  EXPECT_TRUE(encode_safetensors(tensors, file.metadata()) == want);
  for (TensorToWrite& tensor : tensors)
    if (tensor.name == "i.i8") tensor.dtype = DType::u8;
  EXPECT_FALSE(encode_safetensors(tensors, file.metadata()) == want);
}

TEST(ReferenceFiles, OneUnitInOneValueIsNoticed) {
  const std::string want = read_file(test::golden("formats/as_written.safetensors"), 1 << 20, ErrorKind::data);
  std::vector<TensorToWrite> tensors = as_written();
  tensors[1].values[5] = half_to_float(static_cast<std::uint16_t>(float_to_half(tensors[1].values[5]) + 1));
  EXPECT_FALSE(encode_safetensors(tensors, {{"format", "pt"}}) == want);
  tensors = as_written();
  tensors[0].name = "c.half";
  EXPECT_FALSE(encode_safetensors(tensors, {{"format", "pt"}}) == want);
}

TEST(ReferenceFiles, TransformersConfigIsRead) {
  const LanguageConfig config = read_language_config(test::golden("formats/qwen2_config.json"));
  EXPECT_EQ(config.hidden_size, 256);
  EXPECT_EQ(config.num_hidden_layers, 4);
  EXPECT_EQ(config.num_attention_heads, 4);
  EXPECT_EQ(config.num_key_value_heads, 2);
  EXPECT_EQ(config.intermediate_size, 672);
  EXPECT_EQ(config.vocab_size, 1200);
  EXPECT_EQ(config.head_dim, 64);
  EXPECT_EQ(config.rope_theta, 20000);
  EXPECT_EQ(config.rms_norm_eps, 1e-6);
  EXPECT_TRUE(config.tie_word_embeddings);
  EXPECT_EQ(config.max_position_embeddings, 128);
  EXPECT_EQ(config.eos_token_ids, std::vector<int>{1196});
  EXPECT_EQ(config.dtype, "float16");
}

}  // namespace
}  // namespace cp
