// Reading and writing safetensors: round trips, shards, the model's expectations.
#include "formats/safetensors.h"

#include <unistd.h>

#include <cmath>
#include <fstream>

#include "core/file.h"
#include "support/test_support.h"

namespace cp {
namespace {

using test::throws_user_error;

std::vector<TensorToWrite> sample() {
  return {{"a.weight", {2, 3}, {1, -2, 3.5f, 0, 1e-8f, 65504}, DType::f32},
          {"b", {}, {0.1f}, DType::f16},
          {"c", {2}, {1.00390625f, -7}, DType::bf16},
          {"empty", {0, 4}, {}, DType::f32}};
}

TEST(SafeTensors, ReadsWhatItWrote) {
  const auto folder = test::fresh_folder("safetensors");
  write_safetensors(folder / "x.safetensors", sample(), {{"format", "pt"}});
  const SafeTensors file = SafeTensors::open(folder / "x.safetensors");
  ASSERT_EQ(file.tensors().size(), 4u);
  EXPECT_EQ(file.metadata().at("format"), "pt");
  EXPECT_EQ(file.floats("a.weight", {2, 3}), sample()[0].values);
  EXPECT_EQ(file.floats("b", {}), std::vector<float>{half_to_float(float_to_half(0.1f))});
  EXPECT_EQ(file.floats("c", {-1}), (std::vector<float>{1.0f, -7}));  // 1 + 2^-8 is a tie, the even neighbour is 1
  EXPECT_TRUE(file.floats("empty", {0, 4}).empty());
  EXPECT_EQ(file.get("b", {}).dtype, DType::f16);
  EXPECT_EQ(read_file(folder / "x.safetensors", 1 << 20, ErrorKind::model),
            encode_safetensors(sample(), {{"format", "pt"}}));
}

TEST(SafeTensors, BytesGoToTheFileAsTheyAre) {
  std::vector<TensorToWrite> tensors = sample();
  for (TensorToWrite& tensor : tensors) {
    tensor.bytes = encode_floats(tensor.values, tensor.dtype);
    tensor.values.clear();
  }
  EXPECT_EQ(encode_safetensors(tensors), encode_safetensors(sample()));
  tensors = {{"codes", {2, 2}, {}, DType::i8, "\x7f\x81\x01\x02"}, {"a", {3}, {}, DType::u8, "abc"}};
  const SafeTensors file = SafeTensors::parse(encode_safetensors(tensors), "memory");
  EXPECT_EQ(file.get("codes", {2, 2}).bytes, "\x7f\x81\x01\x02");
  EXPECT_EQ(file.get("a", {3}).dtype, DType::u8);
}

TEST(SafeTensors, DataBeginsAlignedWhateverTheNames) {
  for (std::size_t length = 1; length <= 16; ++length) {
    const std::string bytes = encode_safetensors({{std::string(length, 'n'), {1}, {1}, DType::f32}});
    EXPECT_EQ((bytes.size() - 4) % 8, 0u) << length;
  }
}

TEST(SafeTensors, CopiesShareTheBytes) {
  SafeTensors copy;
  {
    const SafeTensors original = SafeTensors::parse(encode_safetensors(sample()), "memory");
    copy = original;
  }
  EXPECT_EQ(copy.floats("a.weight", {2, 3}), sample()[0].values);
}

std::size_t resident_bytes() {
  std::ifstream statm("/proc/self/statm");
  std::size_t total = 0, resident = 0;
  statm >> total >> resident;
  return resident * static_cast<std::size_t>(::sysconf(_SC_PAGESIZE));
}

TEST(SafeTensors, ReleasedTensorsAreGoneAndTheirMemoryWithThem) {
  constexpr std::int64_t kFloats = 4 << 20;  // 16 MB
  const std::vector<TensorToWrite> tensors = {{"big.weight", {kFloats}, std::vector<float>(kFloats, 1), DType::f32},
                                              {"bigger", {2}, {3, 4}, DType::f32},
                                              {"small", {2}, {1, 2}, DType::f32}};
  SafeTensors file = SafeTensors::parse(encode_safetensors(tensors), "test");
  {
    SafeTensors copy = file;
    copy.release("big");
    EXPECT_FALSE(copy.has("bigger"));
    EXPECT_EQ(file.floats("big.weight", {kFloats}), tensors[0].values) << "another copy reads it";
  }
  const std::size_t before = resident_bytes();
  file.release("big.");
  EXPECT_LT(resident_bytes() + (12u << 20), before);
  EXPECT_THROW(file.get("big.weight", {-1}), UserError);
  EXPECT_EQ(file.floats("bigger", {2}), tensors[1].values);
  EXPECT_EQ(file.floats("small", {2}), tensors[2].values);
  file.release("none");
  EXPECT_EQ(file.tensors().size(), 2u);
}

TEST(SafeTensors, MovedOutTensorsAreCopiedAndGone) {
  constexpr std::int64_t kFloats = 4 << 20;  // 16 MB, several pieces
  std::vector<float> values(kFloats);
  for (std::size_t i = 0; i < values.size(); ++i) values[i] = static_cast<float>(i % 1001);
  SafeTensors file = SafeTensors::parse(
      encode_safetensors({{"big", {kFloats}, values, DType::f32}, {"small", {2}, {1, 2}, DType::f32}}), "test");
  std::vector<float> kept(values.size());
  file.move_out("big", reinterpret_cast<char*>(kept.data()));
  EXPECT_TRUE(kept == values);
  EXPECT_FALSE(file.has("big"));
  EXPECT_EQ(file.floats("small", {2}), (std::vector<float>{1, 2}));
  EXPECT_THROW(file.move_out("big", nullptr), UserError);
}

TEST(SafeTensors, PartsOfATensorAreItsElements) {
  const SafeTensors file = SafeTensors::parse(
      encode_safetensors({{"h", {2, 3}, {1, 2, 3, 4, 5, 6}, DType::f16}, {"w", {4}, {7, 8, 9, 10}, DType::f32}}),
      "test");
  EXPECT_EQ(file.floats("h", 2, 3), (std::vector<float>{3, 4, 5}));
  EXPECT_EQ(file.floats("w", 3, 1), (std::vector<float>{10}));
  EXPECT_TRUE(file.floats("w", 4, 0).empty());
  EXPECT_THROW(file.floats("w", 3, 2), BugError);
  EXPECT_THROW(file.floats("w", -1, 2), BugError);
}

TEST(SafeTensors, MissingOrMisshapenTensorsAreNamed) {
  const SafeTensors file = SafeTensors::parse(encode_safetensors(sample()), "memory");
  EXPECT_TRUE(throws_user_error([&] { file.get("nope", {1}); }, ErrorKind::model, {"memory", "\"nope\" is missing"}));
  EXPECT_TRUE(throws_user_error(
      [&] {
        file.get("a.weight", {3, 2});
      },
      ErrorKind::model, {"a.weight", "wanted shape [3, 2]", "found [2, 3]"}));
  EXPECT_TRUE(throws_user_error([&] { file.get("a.weight", {2}); }, ErrorKind::model, {"wanted shape [2]"}));
  EXPECT_NO_THROW(file.get("a.weight", {-1, 3}));
}

TEST(SafeTensors, IntegersAreNotConvertedToFloats) {
  const std::string header = R"({"i":{"dtype":"I32","shape":[1],"data_offsets":[0,4]}})";
  std::string bytes(8, '\0');
  bytes[0] = static_cast<char>(header.size());
  const SafeTensors file = SafeTensors::parse(bytes + header + std::string(4, '\1'), "memory");
  EXPECT_EQ(file.get("i", {1}).bytes.size(), 4u);
  EXPECT_TRUE(throws_user_error([&] { file.floats("i", {1}); }, ErrorKind::model, {"floating-point", "I32"}));
}

TEST(TensorExpectation, ListsAllFaultsAtOnce) {
  const SafeTensors file = SafeTensors::parse(encode_safetensors(sample()), "memory");
  TensorExpectation expectation;
  expectation.want("a.weight", {2, 4});
  expectation.want("b", {});
  expectation.want("missing.one", {1});
  expectation.want("missing.two", {2, 2});
  EXPECT_TRUE(throws_user_error([&] { expectation.check(file); }, ErrorKind::model,
                                {"a.weight wanted [2, 4], found [2, 3]", "missing: missing.one [1]",
                                 "missing: missing.two [2, 2]", "unknown: c [2]", "unknown: empty [0, 4]"}));
  TensorExpectation all;
  for (const auto& [name, view] : file.tensors()) all.want(name, view.shape);
  EXPECT_NO_THROW(all.check(file));
}

class Shards : public ::testing::Test {
 protected:
  void SetUp() override {
    write_safetensors(folder_ / "model-1.safetensors", {{"a", {1}, {1}, DType::f32}});
    write_safetensors(folder_ / "model-2.safetensors", {{"b", {1}, {2}, DType::f32}, {"c", {1}, {3}, DType::f32}});
  }
  void index(const std::string& weight_map) const {
    write_file_durable(folder_ / "model.safetensors.index.json",
                       R"({"metadata":{"total_size":12},"weight_map":)" + weight_map + "}");
  }
  testing::AssertionResult refused(std::initializer_list<const char*> parts) const {
    return throws_user_error([&] { SafeTensors::open(folder_); }, ErrorKind::model, parts);
  }
  const std::filesystem::path folder_ = test::fresh_folder("shards");
};

TEST_F(Shards, AreReadAsOne) {
  index(R"({"a":"model-1.safetensors","b":"model-2.safetensors","c":"model-2.safetensors"})");
  const SafeTensors all = SafeTensors::open(folder_);
  EXPECT_EQ(all.tensors().size(), 3u);
  EXPECT_EQ(all.floats("c", {1}), std::vector<float>{3});
  EXPECT_EQ(SafeTensors::open(folder_ / "model.safetensors.index.json").tensors().size(), 3u);
}

TEST_F(Shards, ThatDisagreeWithTheIndexAreRefused) {
  index(R"({"a":"model-1.safetensors","b":"model-2.safetensors"})");
  EXPECT_TRUE(refused({"model-2.safetensors", "\"c\"", "not assigned"}));
  index(R"({"a":"model-2.safetensors","b":"model-2.safetensors","c":"model-2.safetensors"})");
  EXPECT_TRUE(refused({"\"a\" is not in model-2.safetensors"}));
  index(R"({"a":"model-1.safetensors","b":"model-1.safetensors","c":"model-2.safetensors"})");
  EXPECT_TRUE(refused({"\"b\"", "not assigned"}));
  index(R"({"a":"model-1.safetensors","b":"model-3.safetensors"})");
  EXPECT_TRUE(refused({"model-3.safetensors"}));
}

TEST_F(Shards, OutsideTheFolderAreRefused) {
  for (const char* name : {"../model-1.safetensors", "/etc/passwd", "sub/x.safetensors", "..", ".", "", "a\\\\b"}) {
    index(std::string(R"({"a":")") + name + "\"}");
    EXPECT_TRUE(refused({"a file name in the same folder"})) << name;
  }
  index(R"({"a":7})");
  EXPECT_TRUE(refused({"a file name in the same folder", "7"}));
  index("{}");
  EXPECT_TRUE(refused({"names no tensor"}));
}

TEST(SafeTensors, FolderWithoutWeightsIsNamed) {
  EXPECT_TRUE(throws_user_error([] { SafeTensors::open(test::fresh_folder("none")); }, ErrorKind::model,
                                {"model.safetensors", "found neither"}));
}

TEST(SafeTensors, WritersMistakesAreBugs) {
  EXPECT_THROW(encode_safetensors({{"a", {2}, {1}, DType::f32}}), BugError);
  EXPECT_THROW(encode_safetensors({{"a", {1}, {1}, DType::i32}}), BugError);
  EXPECT_THROW(encode_safetensors({{"a", {1}, {}, DType::i32, "abc"}}), BugError);
  EXPECT_THROW(encode_safetensors({{"a", {1}, {1}, DType::f32, "abcd"}}), BugError);
  EXPECT_THROW(encode_floats(std::vector<float>(1), DType::i8), BugError);
  EXPECT_THROW(encode_safetensors({{"a", {1}, {1}, DType::f32}, {"a", {1}, {1}, DType::f16}}), BugError);
  EXPECT_THROW(encode_safetensors({{"__metadata__", {1}, {1}, DType::f32}}), BugError);
}

}  // namespace
}  // namespace cp
