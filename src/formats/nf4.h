#pragma once
// In:  weight matrices; safetensors files with bitsandbytes' NF4 weights, hostile ones too.
// Out: 4-bit codes with their scales, equal to the bit to what bitsandbytes 0.50 makes on a CPU, and the way back.
// Not here: products with such weights (kernels/nf4.h), which layers are quantised (runtime/).

#include <array>
#include <cstdint>
#include <span>
#include <string>
#include <vector>

#include "formats/safetensors.h"

namespace cp {

// A (rows cols) matrix, flattened row-major and cut into blocks of 64 elements (the last may be shorter; a block may
// cross a row's end). w = map[code] * scale of its block. (QLoRA, Dettmers et al. 2023, section 3.)
struct Nf4Weight {
  static constexpr std::size_t kBlock = 64, kNestedBlock = 256;

  int rows = 0, cols = 0;
  DType dtype = DType::f32;          // of the values that were quantised: f32, f16 or bf16
  std::vector<std::uint8_t> codes;   // ((n+1)/2), even flat index in the high nibble
  std::array<float, 16> map{};       // codebook, rising from -1 to 1
  std::vector<float> absmax;         // (blocks); empty with double quantisation, which has instead:
  std::vector<std::uint8_t> nested;  // (blocks), scale = nested_map[nested[i]] * nested_absmax[i / 256] + offset
  std::vector<float> nested_absmax;  // (ceil(blocks / 256))
  std::vector<float> nested_map;     // (256)
  float offset = 0;                  // mean of the scales before they were quantised

  std::size_t size() const { return static_cast<std::size_t>(rows) * static_cast<std::size_t>(cols); }
  std::size_t blocks() const { return (size() + kBlock - 1) / kBlock; }
  bool double_quantised() const { return absmax.empty(); }
  std::vector<float> scales() const;  // (blocks)
};

// Quantises w (rows cols). `recorded` is the dtype that dequantize_nf4 rounds to; it does not change the codes.
// Throws UserError(numeric) in the name of `where` when a value is not finite or the mean of the scales overflows.
// The offset is torch's mean of one thread with vectors of 8 (torch adds in another order with AVX-512, or with more
// threads from 32,768 blocks on; its last bits differ there, and codes of the second level may follow).
Nf4Weight quantize_nf4(std::span<const float> w, int rows, int cols, bool double_quant, DType recorded,
                       const std::string& where = "weights");

// out (rows cols): map[code] * scale in float32, rounded to the recorded dtype.
void dequantize_nf4(const Nf4Weight& weight, std::span<float> out);

// ---- Files: `prefix` names a layer ("model.layers.0.mlp.up_proj"), whose tensors begin with "prefix.weight" ---------

// Whether the layer's weight is packed, in whatever state: an integer tensor, or one with bitsandbytes' companions.
bool is_nf4(const SafeTensors& file, const std::string& prefix);

// Throws UserError(model) unless every tensor and every field of the quantisation state is there, of the right size,
// finite, and says what is supported: nf4, blocks of 64, u8 storage, second level dynamic with blocks of 256.
Nf4Weight read_nf4(const SafeTensors& file, const std::string& prefix, int rows, int cols);

// Lists the layer's tensors (4, or 6 when the file has a second level) with their packed shapes.
void want_nf4(TensorExpectation& expectation, const SafeTensors& file, const std::string& prefix, int rows, int cols);

// Appends the layer's tensors as bitsandbytes names and stores them.
void append_nf4(std::vector<TensorToWrite>& out, const std::string& prefix, const Nf4Weight& weight);

}  // namespace cp
