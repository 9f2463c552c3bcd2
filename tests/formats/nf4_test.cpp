// NF4 against bitsandbytes (tests/oracle/nf4_bitsandbytes.py): 200 matrices by digest, and its files byte for byte.
#include "formats/nf4.h"

#include <algorithm>
#include <cmath>

#include <fmt/format.h>

#include "core/file.h"
#include "core/json.h"
#include "core/rng.h"
#include "support/test_support.h"

namespace cp {
namespace {

constexpr std::uint64_t kSeed = 41;
constexpr int kCount = 200;

struct Sample {
  int rows = 0, cols = 0;
  bool twice = false;
  DType dtype = DType::f32;
  std::vector<float> values;
};

// The oracle's matrix(): the same words, the same operations.
Sample sample(int number) {
  Rng rng(kSeed, Stream::test, 0, static_cast<std::uint64_t>(number));
  Sample s;
  s.rows = 1 + static_cast<int>(rng.bits() % 40);
  s.cols = 1 + static_cast<int>(rng.bits() % 200);
  s.twice = (rng.bits() & 1u) != 0;
  const int kind = number % 10;
  if (number % 20 == 10) s.rows += 150, s.cols = 128;
  if (kind == 1 || number % 20 == 4) s.dtype = DType::bf16;
  if (kind == 2) s.dtype = DType::f16;
  const std::array<float, 16> map = quantize_nf4(std::vector<float>(1), 1, 1, false, DType::f32).map;
  for (int i = 0; i < s.rows * s.cols; ++i) {
    const std::uint32_t draw = rng.bits();
    const int halves = static_cast<int>(draw & 0xffffu) + static_cast<int>(draw >> 16) - 65535;
    float x = static_cast<float>(halves) * 0x1p-16f;
    const int block = i / 64;
    switch (kind) {
      case 2:
        x *= number % 20 == 2 ? 0.0213f : 3e-6f;
        break;
      case 3:
        x = draw % 3 == 0 || block % 2 == 1 ? 0.0f : x * 0.3f;
        break;
      case 4:
        x *= std::ldexp(1.0f, -(126 + number % 23));
        break;
      case 5: {
        const std::size_t code = draw % 15;
        const float border = (map[code] + map[code + 1]) / 2;
        const std::uint32_t way = (draw >> 8) % 3;
        x = way == 0 ? border : std::nextafter(border, way == 1 ? 2.0f : -2.0f);
        if (i % 64 == 0) x = 1;
        break;
      }
      case 6:
        x *= s.twice ? 0x1p100f : 3.4e38f;
        break;
      case 7:
        x *= std::ldexp(1.0f, block % 30 - 20);
        break;
      case 8:
        x = i % 64 == 0 ? 0.25f : x * 0.25f;
        break;
      default:
        x *= 0.0213f;
    }
    if (s.dtype == DType::bf16) x = bfloat_to_float(float_to_bfloat(x));
    if (s.dtype == DType::f16) x = half_to_float(float_to_half(x));
    s.values.push_back(x);
  }
  return s;
}

Nf4Weight quantised(const Sample& s) { return quantize_nf4(s.values, s.rows, s.cols, s.twice, s.dtype); }

std::vector<float> dequantised(const Nf4Weight& w) {
  std::vector<float> out(w.size());
  dequantize_nf4(w, out);
  return out;
}

template <class T>
std::string digest(const std::vector<T>& values) {
  return sha256_hex({reinterpret_cast<const char*>(values.data()), values.size() * sizeof(T)}).substr(0, 12);
}

// Everything that the oracle says of a matrix, as its line has it.
Json line_of(const Sample& s, const Nf4Weight& w) {
  const char* dtype = s.dtype == DType::f32 ? "float32" : s.dtype == DType::f16 ? "float16" : "bfloat16";
  return {{"rows", s.rows},
          {"cols", s.cols},
          {"dtype", dtype},
          {"twice", s.twice},
          {"input", digest(s.values)},
          {"codes", digest(w.codes)},
          {"absmax", s.twice ? digest(w.nested) : digest(w.absmax)},
          {"scales", digest(w.scales())},
          {"nested_absmax", s.twice ? digest(w.nested_absmax) : ""},
          {"nested_map", s.twice ? digest(w.nested_map) : ""},
          {"offset", w.offset},
          {"values", digest(dequantised(w))}};
}

// Hexadecimal floats (C and Python write them alike) become numbers.
Json golden_lines() {
  Json lines = read_json(test::golden("formats/nf4.json"), ErrorKind::data);
  for (Json& line : lines) line["offset"] = std::strtof(line["offset"].get<std::string>().c_str(), nullptr);
  return lines;
}

TEST(Nf4, TwoHundredMatricesEqualBitsandbytesToTheBit) {
  const Json lines = golden_lines();
  ASSERT_EQ(lines.size(), static_cast<std::size_t>(kCount));
  int twice = 0, short_blocks = 0, odd = 0;
  for (int i = 0; i < kCount; ++i) {
    const Sample s = sample(i);
    const Nf4Weight w = quantised(s);
    EXPECT_EQ(line_of(s, w), lines[static_cast<std::size_t>(i)]) << "matrix " << i;
    twice += s.twice;
    short_blocks += w.size() % 64 != 0;
    odd += w.size() % 2;
  }
  EXPECT_GT(twice, 70);
  EXPECT_GT(kCount - twice, 70);
  EXPECT_GT(short_blocks, 100);
  EXPECT_GT(odd, 30);
}

// Matrices of the golden file that differ in `field` once `fault` has spoilt the weight.
template <class Fault>
int differing(const char* field, const Fault& fault) {
  const Json lines = golden_lines();
  int count = 0;
  for (int i = 0; i < kCount; ++i) {
    const Sample s = sample(i);
    Nf4Weight w = quantised(s);
    fault(s, w);
    count += line_of(s, w)[field] != lines[static_cast<std::size_t>(i)][field];
  }
  return count;
}

TEST(Nf4, LowNibbleFirstIsNoticed) {
  EXPECT_GT(differing("values",
                      [](const Sample&, Nf4Weight& w) {
                        for (std::uint8_t& pair : w.codes) pair = static_cast<std::uint8_t>(pair << 4 | pair >> 4);
                      }),
            180)
      << "all but subnormal ones of kind 4, which come back as zeros";
}

TEST(Nf4, TiesThatGoUpAreNoticed) {
  const auto go_up = [](const Sample& s, Nf4Weight& w) {
    for (std::size_t i = 0; i < s.values.size(); ++i)
      for (std::size_t code = 0; code < 15; ++code)
        if (s.values[i] == (w.map[code] + w.map[code + 1]) / 2) {
          std::uint8_t& pair = w.codes[i / 2];
          pair = static_cast<std::uint8_t>(i % 2 == 0 ? (code + 1) << 4 | (pair & 15u) : (pair & 0xf0u) | (code + 1));
        }
  };
  EXPECT_GE(differing("codes", go_up), 18) << "the 20 matrices of kind 5";
}

TEST(Nf4, LinearSecondLevelIsNoticed) {
  const auto linear = [](const Sample& s, Nf4Weight& w) {
    if (!s.twice) return;
    const Nf4Weight once = quantize_nf4(s.values, s.rows, s.cols, false, s.dtype);
    for (std::size_t i = 0; i < 256; ++i) w.nested_map[i] = static_cast<float>(i) / 127.5f - 1;
    for (std::size_t i = 0; i < w.nested.size(); ++i) {
      const float most = w.nested_absmax[i / 256];
      const float x = most > 0 ? (once.absmax[i] - w.offset) / most : 0.0f;
      w.nested[i] = static_cast<std::uint8_t>(std::lround((x + 1) * 127.5f));
    }
  };
  EXPECT_GT(differing("scales", linear), 70);
}

TEST(Nf4, RecordedDtypeRoundsWhatComesBack) {
  const Sample s = sample(0);
  EXPECT_NE(dequantised(quantize_nf4(s.values, s.rows, s.cols, false, DType::bf16)),
            dequantised(quantize_nf4(s.values, s.rows, s.cols, false, DType::f32)));
}

TEST(Nf4, ErrorStaysBelowHalfTheWidestGapOfTheMap) {
  const Sample s = sample(10);
  const Nf4Weight w = quantize_nf4(s.values, s.rows, s.cols, false, DType::f32);
  const std::vector<float> back = dequantised(w);
  for (std::size_t i = 0; i < back.size(); ++i)
    ASSERT_LE(std::fabs(back[i] - s.values[i]), 0.1520f * w.absmax[i / 64]) << i;  // (1 - 0.6962) / 2
}

TEST(Nf4, WeightsThatAreNoNumbersAreRefused) {
  std::vector<float> w(130, 1.0f);
  for (const float bad : {std::nanf(""), INFINITY, -INFINITY}) {
    w[129] = bad;
    EXPECT_TRUE(test::throws_user_error([&] { quantize_nf4(w, 2, 65, true, DType::bf16, "layer q"); },
                                        ErrorKind::numeric, {"layer q", "value 129", "not finite"}));
  }
  EXPECT_TRUE(
      test::throws_user_error([] { quantize_nf4(std::vector<float>(640, 3e38f), 10, 64, true, DType::f32, "layer q"); },
                              ErrorKind::numeric, {"layer q", "overflows"}));
  EXPECT_THROW(quantize_nf4(w, 2, 64, true, DType::bf16), BugError);
  EXPECT_THROW(quantize_nf4(w, 2, 65, true, DType::i8), BugError);
}

// ---- Files ----------------------------------------------------------------------------------------------------------

std::vector<TensorToWrite> two_layers(bool twice) {
  std::vector<TensorToWrite> out;
  for (const auto& [layer, number] : {std::pair("b.proj", 12), {"a.proj", 21}}) {
    const Sample s = sample(number);
    append_nf4(out, layer, quantize_nf4(s.values, s.rows, s.cols, twice, s.dtype));
  }
  return out;
}

TEST(Nf4File, WritingGivesTheBytesOfBitsandbytes) {
  for (const bool twice : {true, false}) {
    const std::string want =
        read_file(test::golden(twice ? "formats/nf4_twice.safetensors" : "formats/nf4_once.safetensors"), 1 << 20,
                  ErrorKind::data);
    EXPECT_TRUE(encode_safetensors(two_layers(twice), {{"format", "pt"}}) == want) << twice;
    std::vector<TensorToWrite> faulty = two_layers(twice);
    faulty[0].bytes[3] ^= 1;
    EXPECT_FALSE(encode_safetensors(faulty, {{"format", "pt"}}) == want);
  }
}

TEST(Nf4File, ReadsWhatBitsandbytesWrote) {
  for (const bool twice : {true, false}) {
    const SafeTensors file =
        SafeTensors::open(test::golden(twice ? "formats/nf4_twice.safetensors" : "formats/nf4_once.safetensors"));
    const Sample s = sample(21);
    ASSERT_TRUE(is_nf4(file, "a.proj"));
    EXPECT_FALSE(is_nf4(file, "a"));
    const Nf4Weight got = read_nf4(file, "a.proj", s.rows, s.cols);
    const Nf4Weight want = quantize_nf4(s.values, s.rows, s.cols, twice, s.dtype);
    EXPECT_EQ(got.dtype, DType::bf16);
    EXPECT_EQ(got.double_quantised(), twice);
    EXPECT_EQ(got.codes, want.codes);
    EXPECT_EQ(got.map, want.map);
    EXPECT_EQ(got.scales(), want.scales());
    EXPECT_EQ(dequantised(got), dequantised(want));
  }
}

TEST(Nf4File, TensorsAreExpectedInTheirPackedShapes) {
  const Sample s = sample(21), other = sample(12);
  for (const bool twice : {true, false}) {
    const SafeTensors file = SafeTensors::parse(encode_safetensors(two_layers(twice)), "memory");
    TensorExpectation expectation, dense;
    want_nf4(expectation, file, "a.proj", s.rows, s.cols);
    want_nf4(expectation, file, "b.proj", other.rows, other.cols);
    EXPECT_NO_THROW(expectation.check(file));
    dense.want("a.proj.weight", {s.rows, s.cols});
    EXPECT_TRUE(test::throws_user_error([&] { dense.check(file); }, ErrorKind::model,
                                        {"shape: a.proj.weight wanted", "unknown: a.proj.weight.quant_map"}));
  }
}

TEST(Nf4File, OffsetsAreWrittenAsPythonWritesThem) {
  const auto state_of = [](float offset) {
    Nf4Weight w = quantize_nf4(std::vector<float>(64, 1.0f), 1, 64, true, DType::f16);
    w.offset = offset;
    std::vector<TensorToWrite> out;
    append_nf4(out, "p", w);
    return std::find_if(out.begin(), out.end(), [](const auto& t) { return t.name.ends_with("__nf4"); })->bytes;
  };
  const std::string before =
      R"({"quant_type": "nf4", "blocksize": 64, "dtype": "float16", "shape": [1, 64], "nested_blocksize": 256, )"
      R"("nested_dtype": "float32", "nested_offset": )";
  // What json.dumps(torch.tensor(x).item()) gives.
  EXPECT_EQ(state_of(1.0f), before + "1.0}");
  EXPECT_EQ(state_of(0.0f), before + "0.0}");
  EXPECT_EQ(state_of(0.1f), before + "0.10000000149011612}");
  EXPECT_EQ(state_of(0.0001f), before + "9.999999747378752e-05}");
  EXPECT_EQ(state_of(0.00012207031f), before + "0.0001220703125}");
  EXPECT_EQ(state_of(1e-40f), before + "9.99994610111476e-41}");
  EXPECT_EQ(state_of(1e22f), before + "9.999999778196308e+21}");
  EXPECT_EQ(state_of(123456792.0f), before + "123456792.0}");
  EXPECT_EQ(state_of(0x1p60f), before + "1.152921504606847e+18}");
}

}  // namespace
}  // namespace cp
