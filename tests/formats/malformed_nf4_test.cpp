// Damaged and hostile NF4 and int8 weights: refused by name, never read.
#include <cstring>
#include <limits>

#include <fmt/format.h>

#include "core/rng.h"
#include "formats/int8_rows.h"
#include "formats/nf4.h"
#include "support/test_support.h"

namespace cp {
namespace {

using test::throws_user_error;

constexpr int kRows = 6, kCols = 64;

std::vector<float> random_weights() {
  Rng rng(5, Stream::test);
  std::vector<float> w(kRows * kCols);
  for (float& value : w) value = static_cast<float>(rng.normal());
  return w;
}

std::vector<TensorToWrite> packed(bool twice = true) {
  std::vector<TensorToWrite> out;
  append_nf4(out, "p", quantize_nf4(random_weights(), kRows, kCols, twice, DType::bf16));
  return out;
}

TensorToWrite& find(std::vector<TensorToWrite>& tensors, const std::string& suffix) {
  for (TensorToWrite& tensor : tensors)
    if (tensor.name == "p.weight" + suffix) return tensor;
  CP_CHECK(false, suffix);
}

void read(const std::vector<TensorToWrite>& tensors) {
  read_nf4(SafeTensors::parse(encode_safetensors(tensors), "file"), "p", kRows, kCols);
}

const std::string kState = ".quant_state.bitsandbytes__nf4";

void set_state(std::vector<TensorToWrite>& tensors, const std::string& text) {
  TensorToWrite& state = find(tensors, kState);
  state.bytes = text;
  state.shape = {static_cast<std::int64_t>(text.size())};
}

TEST(MalformedNf4, TheUntouchedFileIsRead) {
  EXPECT_NO_THROW(read(packed()));
  EXPECT_NO_THROW(read(packed(false)));
}

TEST(MalformedNf4, CutAnywhereIsRefused) {
  const std::string bytes = encode_safetensors(packed());
  int refused = 0;
  for (std::size_t size = 0; size < bytes.size(); ++size)
    refused += static_cast<bool>(throws_user_error(
        [&] { read_nf4(SafeTensors::parse(bytes.substr(0, size), "file"), "p", kRows, kCols); }, ErrorKind::model, {}));
  EXPECT_EQ(refused, static_cast<int>(bytes.size()));
}

TEST(MalformedNf4, MissingTensorsAreNamed) {
  for (const bool twice : {true, false}) {
    const std::size_t count = packed(twice).size();
    ASSERT_EQ(count, twice ? 6u : 4u);
    for (std::size_t i = 0; i < count; ++i) {
      std::vector<TensorToWrite> tensors = packed(twice);
      const std::string name = tensors[i].name;
      tensors.erase(tensors.begin() + static_cast<std::ptrdiff_t>(i));
      EXPECT_TRUE(throws_user_error([&] { read(tensors); }, ErrorKind::model, {"file", "missing", name.c_str()}));
    }
  }
}

TEST(MalformedNf4, WrongSizesAndDtypesAreNamed) {
  int visited = 0;
  for (const TensorToWrite& tensor : packed()) {
    std::vector<TensorToWrite> longer = packed(), other = packed();
    const std::string suffix = tensor.name.substr(8);
    if (suffix != kState) {
      TensorToWrite& t = find(longer, suffix);
      t.shape[0] += 1;
      t.bytes.resize(t.bytes.size() + dtype_size(t.dtype));
      EXPECT_TRUE(
          throws_user_error([&] { read(longer); }, ErrorKind::model, {tensor.name.c_str(), "wanted shape", "found"}));
    }
    TensorToWrite& t = find(other, suffix);
    t.dtype = t.dtype == DType::u8 ? DType::i8 : DType::i32;
    EXPECT_TRUE(throws_user_error([&] { read(other); }, ErrorKind::model, {tensor.name.c_str(), "wanted", "found I"}));
    ++visited;
  }
  EXPECT_EQ(visited, 6);
  std::vector<TensorToWrite> storage = packed();  // bnb_4bit_quant_storage = bfloat16
  TensorToWrite& weight = find(storage, "");
  weight.dtype = DType::bf16;
  weight.shape[0] /= 2;
  EXPECT_TRUE(throws_user_error([&] { read(storage); }, ErrorKind::model, {"p.weight", "BF16", "quant_storage"}));
  std::vector<TensorToWrite> dense{{"p.weight", {kRows, kCols}, random_weights(), DType::f32}};
  EXPECT_TRUE(throws_user_error([&] { read(dense); }, ErrorKind::model, {"p.weight"}));
  EXPECT_FALSE(is_nf4(SafeTensors::parse(encode_safetensors(dense), "file"), "p"));
}

TEST(MalformedNf4, ShapesThatTheModelDoesNotWantAreRefused) {
  const SafeTensors file = SafeTensors::parse(encode_safetensors(packed()), "file");
  EXPECT_TRUE(throws_user_error([&] { read_nf4(file, "p", kRows + 1, kCols); }, ErrorKind::model, {"p.weight"}));
  EXPECT_TRUE(throws_user_error([&] { read_nf4(file, "p", kCols, kRows); }, ErrorKind::model,
                                {"\"shape\"", "wanted [64, 6]", "[6,64]"}))
      << "as many elements, the other way round";
}

TEST(MalformedNf4, ForeignCompanionsAreRefused) {
  const auto with = [](const std::string& suffix) {
    std::vector<TensorToWrite> tensors = packed();
    tensors.push_back({"p.weight" + suffix, {1}, {}, DType::u8, "x"});
    return tensors;
  };
  EXPECT_TRUE(throws_user_error([&] { read(with(".quant_state.bitsandbytes__fp4")); }, ErrorKind::model,
                                {"bitsandbytes__fp4", "only one"}));
  EXPECT_TRUE(throws_user_error([&] { read(with(".zero_point")); }, ErrorKind::model, {"zero_point", "belong"}));
  std::vector<TensorToWrite> fp4 = packed();
  find(fp4, kState).name = "p.weight.quant_state.bitsandbytes__fp4";
  EXPECT_TRUE(throws_user_error([&] { read(fp4); }, ErrorKind::model, {"bitsandbytes__fp4"}));
}

TEST(MalformedNf4, EveryFieldOfTheStateIsChecked) {
  std::vector<TensorToWrite> base = packed();
  const std::string state = find(base, kState).bytes;
  struct Case {
    const char *from, *to, *part;
  };
  const Case cases[] = {
      {"\"nf4\"", "\"fp4\"", "fp4"},
      {"\"nf4\"", "4", "quant_type"},
      {"\"blocksize\": 64", "\"blocksize\": 128", "blocksize"},
      {"\"blocksize\": 64", "\"blocksize\": -64", "blocksize"},
      {"\"blocksize\": 64, ", "", "blocksize"},
      {"\"bfloat16\"", "\"float64\"", "float64"},
      {"\"bfloat16\"", "null", "dtype"},
      {"[6, 64]", "[6, 64, 1]", "shape"},
      {"[6, 64]", "[384]", "shape"},
      {"[6, 64]", "[-6, -64]", "shape"},
      {"[6, 64]", "[6, 1e400]", "JSON"},
      {"[6, 64]", "null", "shape"},
      {"256", "255", "nested_blocksize"},
      {"\"float32\"", "\"float16\"", "nested_dtype"},
      {"\"nested_offset\": ", "\"nested_offset\": 1e39, \"x\": ", "nested_offset"},
      {"\"nested_offset\": ", "\"nested_offset\": NaN, \"x\": ", "JSON"},
      {"\"nested_offset\": ", "\"nested_offset\": \"1\", \"x\": ", "nested_offset"},
      {"\"nested_offset\": ", "\"nested_offset\": 1, \"x\": ", "unknown field"},
      {"\"quant_type\": ", "\"quant_type\": \"nf4\", \"quant_type\": ", "twice"},
      {"{", "[{", "JSON"},
      {"}", "", "JSON"},
  };
  for (const Case& c : cases) {
    std::vector<TensorToWrite> tensors = base;
    std::string text = state;
    ASSERT_NE(text.find(c.from), std::string::npos) << c.from;
    text.replace(text.find(c.from), std::strlen(c.from), c.to);
    set_state(tensors, text);
    EXPECT_TRUE(throws_user_error([&] { read(tensors); }, ErrorKind::model, {"bitsandbytes__nf4", c.part})) << c.to;
  }
  for (std::size_t size = 0; size < state.size(); ++size) {
    std::vector<TensorToWrite> tensors = base;
    set_state(tensors, state.substr(0, size));
    ASSERT_TRUE(throws_user_error([&] { read(tensors); }, ErrorKind::model, {"bitsandbytes__nf4"})) << size;
  }
  std::vector<TensorToWrite> tensors = base;
  set_state(tensors, state + std::string(5000, ' '));
  EXPECT_TRUE(throws_user_error([&] { read(tensors); }, ErrorKind::model, {"too many"}));
  tensors = packed(false);  // a state of the second level without its tensors
  set_state(tensors, state);
  EXPECT_TRUE(throws_user_error([&] { read(tensors); }, ErrorKind::model, {"unknown field"}));
}

TEST(MalformedNf4, ScalesAndMapsThatAreNoNumbersAreRefused) {
  const auto put = [](TensorToWrite& tensor, float value) { std::memcpy(tensor.bytes.data() + 4, &value, 4); };
  int visited = 0;
  for (const bool twice : {true, false})
    for (const TensorToWrite& tensor : packed(twice)) {
      if (tensor.dtype != DType::f32) continue;
      for (const float bad : {std::numeric_limits<float>::quiet_NaN(), std::numeric_limits<float>::infinity()}) {
        std::vector<TensorToWrite> tensors = packed(twice);
        TensorToWrite& spoilt = find(tensors, tensor.name.substr(8));
        if (spoilt.shape[0] == 1)
          std::memcpy(spoilt.bytes.data(), &bad, 4);
        else
          put(spoilt, bad);
        EXPECT_TRUE(throws_user_error([&] { read(tensors); }, ErrorKind::model, {tensor.name.c_str()}));
        ++visited;
      }
    }
  EXPECT_EQ(visited, 2 * (3 + 2));
  std::vector<TensorToWrite> tensors = packed();
  put(find(tensors, ".quant_map"), 1e30f);
  EXPECT_TRUE(throws_user_error([&] { read(tensors); }, ErrorKind::model, {"quant_map", "1e+30"}));
  const float most = std::numeric_limits<float>::max();
  tensors = packed();
  std::memcpy(find(tensors, ".nested_absmax").bytes.data(), &most, 4);
  std::string state = find(tensors, kState).bytes;
  state.replace(state.find("\"nested_offset\": ") + 17, std::string::npos, "3.4e38}");
  set_state(tensors, state);
  find(tensors, ".absmax").bytes.assign(kRows, '\xff');
  EXPECT_TRUE(throws_user_error([&] { read(tensors); }, ErrorKind::model, {"overflows"}));
}

// ---- int8 -----------------------------------------------------------------------------------------------------------

TEST(MalformedInt8, IsRefusedByName) {
  std::vector<TensorToWrite> good;
  append_int8_rows(good, "p", quantize_int8_rows(random_weights(), kRows, kCols));
  const auto refused = [&](const std::function<void(std::vector<TensorToWrite>&)>& spoil, const char* part) {
    std::vector<TensorToWrite> tensors = good;
    spoil(tensors);
    return throws_user_error(
        [&] { read_int8_rows(SafeTensors::parse(encode_safetensors(tensors), "file"), "p", kRows, kCols); },
        ErrorKind::model, {"file", part});
  };
  using Tensors = std::vector<TensorToWrite>;
  EXPECT_TRUE(refused([](Tensors& t) { t.pop_back(); }, "\"p.weight_scale\" is missing"));
  EXPECT_TRUE(refused([](Tensors& t) { t.erase(t.begin()); }, "\"p.weight\" is missing"));
  EXPECT_TRUE(refused([](Tensors& t) { t[0].dtype = DType::u8; }, "wanted I8, found U8"));
  EXPECT_TRUE(refused([](Tensors& t) { std::swap(t[0].shape[0], t[0].shape[1]); }, "wanted shape [6, 64]"));
  EXPECT_TRUE(refused([](Tensors& t) { t[1].dtype = DType::f16; }, "wanted F32, found F16"));
  EXPECT_TRUE(refused([](Tensors& t) { t[1].values.push_back(1), t[1].shape[0] = 7; }, "wanted shape [6]"));
  EXPECT_TRUE(refused([](Tensors& t) { t[0].bytes[5] = '\x80'; }, "-128"));
  EXPECT_TRUE(refused([](Tensors& t) { t[1].values[2] = -1; }, "-1 is no scale"));
  EXPECT_TRUE(refused([](Tensors& t) { t[1].values[2] = std::numeric_limits<float>::quiet_NaN(); }, "no scale"));
  EXPECT_TRUE(refused([](Tensors& t) { t[1].values[2] = std::numeric_limits<float>::infinity(); }, "no scale"));
}

}  // namespace
}  // namespace cp
