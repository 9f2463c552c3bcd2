// Damaged and hostile safetensors files (M1 to M6 of the reliability notes): refused by name, or read and true.
#include <cstring>

#include "core/file.h"
#include "core/json.h"
#include "formats/safetensors.h"
#include "support/test_support.h"

namespace cp {
namespace {

std::string with_length(std::uint64_t length, const std::string& rest) {
  std::string bytes(8, '\0');
  std::memcpy(bytes.data(), &length, 8);
  return bytes + rest;
}

// A file of this header and so many bytes of data.
std::string file_of(const std::string& header, std::size_t data) {
  return with_length(header.size(), header + std::string(data, '\1'));
}

// One tensor "t" of these fields, as written in JSON.
std::string tensor(const std::string& dtype, const std::string& shape, const std::string& offsets, std::size_t data) {
  return file_of(R"({"t":{"dtype":)" + dtype + R"(,"shape":)" + shape + R"(,"data_offsets":)" + offsets + "}}", data);
}

// Two F32 tensors of one element each at these offsets.
std::string two(const std::string& first, const std::string& second, std::size_t data) {
  return file_of(R"({"a":{"dtype":"F32","shape":[1],"data_offsets":)" + first +
                     R"(},"b":{"dtype":"F32","shape":[1],"data_offsets":)" + second + "}}",
                 data);
}

struct Kind {
  const char* name;
  std::string bytes;
  const char* message;
};

std::vector<Kind> kinds() {
  const std::string one = R"("dtype":"F32","shape":[1],"data_offsets":[0,4])";
  const std::string big = "9223372036854775807";
  return {
      // M1, M2: sizes of the file and the header
      {"nothing", "", "too few"},
      {"seven bytes", std::string(7, '\0'), "too few"},
      {"length only, 0", with_length(0, ""), "does not begin"},
      {"length 0 with data", with_length(0, "xxxx"), "does not begin"},
      {"length without header", with_length(10, ""), "truncated"},
      {"length one too many", with_length(3, "{}"), "truncated"},
      {"length over the limit", with_length((16u << 20) + 1, "{}"), "above the limit"},
      {"length 1 TiB", with_length(std::uint64_t{1} << 40, "{}"), "above the limit"},
      {"length 2^63", with_length(std::uint64_t{1} << 63, "{}"), "above the limit"},
      {"length + 8 overflows", with_length(UINT64_MAX, "{}"), "above the limit"},
      {"length + 8 overflows to the size", with_length(UINT64_MAX - 7, "{}"), "above the limit"},
      {"big-endian length", std::string("\0\0\0\0\0\0\0\2", 8) + "{}", "above the limit"},
      {"length one short", with_length(1, "{}"), "not valid JSON"},
      // The header as a text
      {"zip", "PK\3\4" + std::string(60, 'x'), "above the limit"},
      {"blank before the brace", file_of(" {}", 0), "does not begin"},
      {"byte order mark", file_of("\xef\xbb\xbf{}", 0), "does not begin"},
      {"list", file_of("[]", 0), "does not begin"},
      {"cut JSON", file_of("{\"t\":", 0), "not valid JSON"},
      {"two objects", file_of("{}{}", 0), "not valid JSON"},
      {"zero byte behind", file_of(std::string("{}\0", 3), 0), "zero byte"},
      {"hidden behind a zero byte", file_of(std::string("{}\0{\"t\":1}", 10), 0), "zero byte"},
      {"not UTF-8", file_of("{\"\xff\":{" + one + "}}", 4), "not valid JSON"},
      {"comment", file_of("{/**/}", 0), "not valid JSON"},
      {"deep", file_of("{\"t\":" + std::string(100, '[') + std::string(100, ']') + "}", 0), "deeper"},
      {"deep unclosed", file_of("{\"t\":" + std::string(1'000'000, '['), 0), "deeper"},
      {"many items", file_of("{\"t\":[" + std::string(600'000, ',') + "]}", 0), "items"},
      // M6: duplicates
      {"name twice", file_of("{\"t\":{" + one + "},\"t\":{" + one + "}}", 4), "stands twice"},
      {"name twice, escaped", file_of("{\"t\":{" + one + "},\"\\u0074\":{" + one + "}}", 4), "stands twice"},
      {"field twice", file_of("{\"t\":{" + one + ",\"dtype\":\"F32\"}}", 4), "stands twice"},
      {"metadata twice", file_of(R"({"__metadata__":{},"__metadata__":{}})", 0), "stands twice"},
      // Metadata
      {"metadata text", file_of(R"({"__metadata__":"x"})", 0), "wanted an object"},
      {"metadata number", file_of(R"({"__metadata__":{"a":1}})", 0), "wanted a string"},
      {"metadata null", file_of(R"({"__metadata__":{"a":null}})", 0), "wanted a string"},
      {"metadata nested", file_of(R"({"__metadata__":{"a":{"b":"c"}}})", 0), "wanted a string"},
      // Fields of a tensor
      {"tensor number", file_of(R"({"t":1})", 0), "wanted an object"},
      {"tensor list", file_of(R"({"t":[]})", 0), "wanted an object"},
      {"no dtype", file_of(R"({"t":{"shape":[1],"data_offsets":[0,4]}})", 4), "\"dtype\" is missing"},
      {"no shape", file_of(R"({"t":{"dtype":"F32","data_offsets":[0,4]}})", 4), "\"shape\" is missing"},
      {"no offsets", file_of(R"({"t":{"dtype":"F32","shape":[1]}})", 4), "\"data_offsets\" is missing"},
      {"field too many", file_of("{\"t\":{" + one + ",\"strides\":[1]}}", 4), "unknown field \"strides\""},
      {"unknown dtype", tensor("\"F8_E4M3\"", "[1]", "[0,1]", 1), "F8_E4M3"},
      {"lower-case dtype", tensor("\"f32\"", "[1]", "[0,4]", 4), "f32"},
      {"empty dtype", tensor("\"\"", "[1]", "[0,4]", 4), "not supported"},
      {"dtype number", tensor("4", "[1]", "[0,4]", 4), "not supported"},
      {"dtype null", tensor("null", "[1]", "[0,4]", 4), "not supported"},
      {"shape number", tensor("\"F32\"", "1", "[0,4]", 4), "no array"},
      {"shape object", tensor("\"F32\"", "{}", "[0,4]", 4), "no array"},
      {"shape null", tensor("\"F32\"", "null", "[0,4]", 4), "no array"},
      {"shape of text", tensor("\"F32\"", "[\"1\"]", "[0,4]", 4), "whole number"},
      {"shape of fractions", tensor("\"F32\"", "[1.0]", "[0,4]", 4), "whole number"},
      {"shape negative", tensor("\"F32\"", "[-1]", "[0,4]", 4), "whole number"},
      {"shape negative twice", tensor("\"F32\"", "[-1,-1]", "[0,4]", 4), "whole number"},
      {"shape nested", tensor("\"F32\"", "[[1]]", "[0,4]", 4), "whole number"},
      {"shape 2^63", tensor("\"F32\"", "[9223372036854775808]", "[0,4]", 4), "whole number"},
      {"shape 1e30", tensor("\"F32\"", "[1e30]", "[0,4]", 4), "whole number"},
      {"shape of 40 digits", tensor("\"F32\"", "[" + std::string(40, '9') + "]", "[0,4]", 4), "whole number"},
      // M3: products that overflow, also where they wrap to the right size
      {"product wraps to 0", tensor("\"U8\"", "[4294967296,4294967296]", "[0,0]", 0), "overflows"},
      {"product wraps to 4", tensor("\"F32\"", "[4611686018427387905]", "[0,4]", 4), "overflows"},
      {"product wraps to 1", tensor("\"U8\"", "[274177,67280421310721]", "[0,1]", 1), "overflows"},
      {"overflow beside a 0", tensor("\"F32\"", "[0," + big + "," + big + "]", "[0,0]", 0), "overflows"},
      {"0 behind an overflow", tensor("\"F32\"", "[" + big + "," + big + ",0]", "[0,0]", 0), "overflows"},
      {"2^63 bytes", tensor("\"F64\"", "[1152921504606846976]", "[0,0]", 0), "overflows"},
      // M5: shape against bytes
      {"4 MB declared, 4 bytes given", tensor("\"F32\"", "[1000,1000]", "[0,4]", 4), "needs 4000000"},
      {"one element short", tensor("\"F32\"", "[2]", "[0,4]", 4), "needs 8"},
      {"one element too many", tensor("\"F32\"", "[1]", "[0,8]", 8), "needs 4"},
      {"half an element", tensor("\"F32\"", "[1]", "[0,2]", 2), "needs 4"},
      {"scalar without bytes", tensor("\"F32\"", "[]", "[0,0]", 0), "needs 4"},
      {"other size of dtype", tensor("\"F64\"", "[1]", "[0,4]", 4), "needs 8"},
      // M4: offsets
      {"offsets number", tensor("\"F32\"", "[1]", "4", 4), "two numbers"},
      {"one offset", tensor("\"F32\"", "[1]", "[0]", 4), "two numbers"},
      {"three offsets", tensor("\"F32\"", "[1]", "[0,4,8]", 8), "two numbers"},
      {"offset text", tensor("\"F32\"", "[1]", "[\"0\",\"4\"]", 4), "whole number"},
      {"offset fraction", tensor("\"F32\"", "[1]", "[0,4.0]", 4), "whole number"},
      {"offset negative", tensor("\"F32\"", "[1]", "[-4,0]", 4), "whole number"},
      {"offsets swapped", tensor("\"F32\"", "[1]", "[4,0]", 4), "do not fit"},
      {"end behind the file", tensor("\"F32\"", "[1]", "[0,4]", 3), "do not fit"},
      {"begin behind the file", tensor("\"F32\"", "[1]", "[8,12]", 4), "do not fit"},
      {"end 2^63 - 1", tensor("\"F32\"", "[1]", "[0," + big + "]", 4), "do not fit"},
      {"end 2^64 - 1", tensor("\"F32\"", "[1]", "[0,18446744073709551615]", 4), "whole number"},
      {"offsets near 2^63, right distance", tensor("\"F32\"", "[1]", "[9223372036854775803," + big + "]", 4),
       "do not fit"},
      {"gap at the front", tensor("\"F32\"", "[1]", "[4,8]", 8), "gap"},
      {"bytes behind", tensor("\"F32\"", "[1]", "[0,4]", 8), "belong to no tensor"},
      {"bytes without tensors", file_of("{}", 4), "belong to no tensor"},
      {"same bytes", two("[0,4]", "[0,4]", 4), "overlaps"},
      {"half overlap", two("[0,4]", "[2,6]", 6), "overlaps"},
      {"gap between", two("[0,4]", "[8,12]", 12), "gap"},
      {"empty inside another",
       file_of(
           R"({"a":{"dtype":"F32","shape":[2],"data_offsets":[0,8]},"b":{"dtype":"F32","shape":[0],"data_offsets":[4,4]}})",
           8),
       "overlaps"},
      {"empty in a gap",
       file_of(
           R"({"a":{"dtype":"U8","shape":[1],"data_offsets":[0,1]},"b":{"dtype":"U8","shape":[0],"data_offsets":[2,2]}})",
           2),
       "gap"},
  };
}

TEST(MalformedSafeTensors, EveryKindIsRefusedByName) {
  const std::vector<Kind> all = kinds();
  EXPECT_GE(all.size(), 80u);
  for (const Kind& kind : all)
    EXPECT_TRUE(test::throws_user_error([&] { SafeTensors::parse(kind.bytes, "bad.safetensors"); }, ErrorKind::model,
                                        {"bad.safetensors", kind.message}))
        << kind.name;
}

TEST(MalformedSafeTensors, UnusualButValidFilesAreRead) {
  const std::vector<Kind> all = {
      {"no tensors", file_of("{}", 0), ""},
      {"padded", file_of("{}      ", 0), ""},
      {"empty name", file_of(R"({"":{"dtype":"U8","shape":[1],"data_offsets":[0,1]}})", 1), ""},
      {"scalar", tensor("\"F32\"", "[]", "[0,4]", 4), ""},
      {"many ones", tensor("\"F32\"", "[1,1,1,1,1,1,1,1,1,1,1,1]", "[0,4]", 4), ""},
      {"empty", tensor("\"F32\"", "[0,1000000]", "[0,0]", 0), ""},
      {"not in order", two("[4,8]", "[0,4]", 8), ""},
  };
  for (const Kind& kind : all) EXPECT_NO_THROW(SafeTensors::parse(kind.bytes, "odd")) << kind.name;
}

// What must hold of every file that is read, recomputed with 128-bit integers.
bool holds(const SafeTensors& file, std::size_t file_size) {
  unsigned __int128 total = 0;
  for (const auto& [name, view] : file.tensors()) {
    unsigned __int128 bytes = dtype_size(view.dtype);
    for (const std::int64_t extent : view.shape) bytes *= static_cast<std::uint64_t>(extent);
    if (bytes != view.bytes.size()) return false;
    total += bytes;
  }
  return total <= file_size;
}

struct Outcome {
  int refused = 0, read = 0, untrue = 0;
  void attempt(const std::string& bytes) {
    try {
      const SafeTensors file = SafeTensors::parse(bytes, "fuzzed");
      ++read;
      untrue += !holds(file, bytes.size());
      std::uint64_t sum = 0;  // touch every byte, for the address sanitizer
      for (const auto& [name, view] : file.tensors())
        for (const char byte : view.bytes) sum += static_cast<unsigned char>(byte);
      if (sum == UINT64_MAX) ++untrue;
    } catch (const UserError&) {
      ++refused;
    }
  }
};

std::string small_file() {
  return encode_safetensors(
      {{"a", {2, 1}, {1, 2}, DType::f32}, {"h", {3}, {1, 2, 3}, DType::f16}, {"e", {0}, {}, DType::f32}},
      {{"format", "pt"}});
}

TEST(MalformedSafeTensors, EveryTruncationIsRefused) {
  const std::string bytes = small_file();
  Outcome outcome;
  for (std::size_t size = 0; size < bytes.size(); ++size) outcome.attempt(bytes.substr(0, size));
  EXPECT_EQ(outcome.refused, static_cast<int>(bytes.size()));
}

TEST(MalformedSafeTensors, EveryChangeOfOneByteIsRefusedOrReadTruly) {
  const std::string bytes = small_file();
  Outcome outcome;
  for (std::size_t i = 0; i < bytes.size(); ++i)
    for (int change = 1; change < 256; ++change) {
      std::string changed = bytes;
      changed[i] = static_cast<char>(changed[i] ^ change);
      outcome.attempt(changed);
    }
  EXPECT_EQ(outcome.refused + outcome.read, static_cast<int>(255 * bytes.size()));
  EXPECT_EQ(outcome.untrue, 0);
  EXPECT_GE(outcome.read, 255 * 14);  // the 14 bytes of data may be anything
  EXPECT_GE(outcome.refused, 255 * 100);
}

}  // namespace
}  // namespace cp
