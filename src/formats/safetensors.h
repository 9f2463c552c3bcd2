#pragma once
// In:  safetensors files (single, or sharded with an index), hostile ones too.
// Out: named tensors with dtype, shape and bytes, all checked against the real file size; float32 copies on demand.
// Not here: what a model expects (formats/model_folder.h, runtime/).

#include <cstdint>
#include <filesystem>
#include <map>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace cp {

enum class DType { f64, f32, f16, bf16, i64, i32, i16, i8, u8, boolean };

std::size_t dtype_size(DType dtype);
const char* dtype_name(DType dtype);  // as in the file: "F32", "BF16", ...

struct TensorView {
  DType dtype = DType::f32;
  std::vector<std::int64_t> shape;
  std::string_view bytes;  // little-endian, row-major; valid as long as the SafeTensors lives

  std::int64_t size() const;  // number of elements
};

// One opened file or sharded set. Copies share the bytes.
class SafeTensors {
 public:
  // `path` is a .safetensors file, an index .json, or a folder with model.safetensors or model.safetensors.index.json.
  // A shard index must assign every tensor of every shard, and only to plain file names beside it.
  // Files are mapped, not read: a tensor takes memory when it is looked at.
  // Throws UserError(model): truncated, header over 16 MB, overlap, gap, duplicate names, sizes that overflow or
  // disagree with shape x dtype, unknown dtype or field, trailing bytes.
  static SafeTensors open(const std::filesystem::path& path);
  static SafeTensors parse(std::string bytes, const std::string& where);

  const std::map<std::string, TensorView>& tensors() const { return tensors_; }
  const std::map<std::string, std::string>& metadata() const { return metadata_; }
  const std::string& where() const { return where_; }
  bool has(const std::string& name) const { return tensors_.count(name) != 0; }

  // Throws UserError(model) when the tensor is missing or its shape is not `shape` (-1 matches any extent).
  const TensorView& get(const std::string& name) const;
  const TensorView& get(const std::string& name, const std::vector<std::int64_t>& shape) const;
  // The same, converted to float32 (from F64, F32, F16, BF16; other dtypes are refused).
  std::vector<float> floats(const std::string& name, const std::vector<std::int64_t>& shape) const;

  // Elements `first` to `first + count` of it in float32: a large tensor is looked through piece by piece.
  std::vector<float> floats(const std::string& name, std::int64_t first, std::int64_t count) const;

  // Copies a tensor's bytes to `to`, which has room for them, and forgets it as release() does, piece by piece: at no
  // time does more than a piece stand in memory twice.
  void move_out(const std::string& name, char* to);

  // Forgets the tensors whose names begin so and gives their memory back to the system, unless a copy of this
  // SafeTensors shares it: a model that is loaded tensor by tensor then never stands in memory twice. Their views are
  // dead afterwards.
  void release(const std::string& prefix);

 private:
  std::string where_;
  bool alone() const;  // no other SafeTensors shares the bytes

  static SafeTensors parse(std::string_view bytes, std::shared_ptr<const void> owner, const std::string& where);

  std::vector<std::shared_ptr<const void>> files_;
  std::map<std::string, TensorView> tensors_;
  std::map<std::string, std::string> metadata_;
};

// False for NaN, infinities, and F64 past float32's range. Integers are finite.
bool is_finite(const TensorView& view);
// Throws one UserError(model) that names every tensor which is not finite.
void check_all_finite(const SafeTensors& file);

// Compares the names of a file with what a model wants and throws one UserError(model) that lists all that are missing,
// unknown or mis-shaped at once. Collect with want() and skip(), then check().
class TensorExpectation {
 public:
  void want(std::string name, std::vector<std::int64_t> shape) {
    wanted_.emplace_back(std::move(name), std::move(shape));
  }
  // Names that begin so are known, may be there, and are not read.
  void skip(std::string prefix) { skipped_.push_back(std::move(prefix)); }
  void check(const SafeTensors& file) const;

 private:
  std::vector<std::pair<std::string, std::vector<std::int64_t>>> wanted_;
  std::vector<std::string> skipped_;
};

// A tensor to be written: either `values`, float32, to be rounded to `dtype` (f32, f16, bf16; to nearest, ties to
// even), or `bytes`, which are little-endian elements of `dtype` already (any dtype) and go to the file as they are.
// Large models are written from bytes: nothing but what the file will hold is then kept in memory.
struct TensorToWrite {
  std::string name;
  std::vector<std::int64_t> shape;
  std::vector<float> values = {};
  DType dtype = DType::f32;
  std::string bytes = {};
};

// The bytes of float32 values rounded to f32, f16 or bf16, for TensorToWrite::bytes.
std::string encode_floats(std::span<const float> values, DType dtype);

// Durable write (core/file.h). In the file the tensors stand as the reference writer sorts them: by dtype (I64, F64,
// F32, I32, BF16, F16, I16, I8, U8, BOOL), each by name. Names that stand twice and contents that do not fill the
// shape are bugs.
void write_safetensors(const std::filesystem::path& path, const std::vector<TensorToWrite>& tensors,
                       const std::map<std::string, std::string>& metadata = {});
std::string encode_safetensors(const std::vector<TensorToWrite>& tensors,
                               const std::map<std::string, std::string>& metadata = {});

// IEEE binary16 and bfloat16, round to nearest even, NaN kept, overflow to infinity.
float half_to_float(std::uint16_t bits);
std::uint16_t float_to_half(float value);
float bfloat_to_float(std::uint16_t bits);
std::uint16_t float_to_bfloat(float value);

}  // namespace cp
