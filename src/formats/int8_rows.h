#pragma once
// In:  weight matrices; safetensors files with int8 weights, hostile ones too.
// Out: 8-bit codes with one scale a row, and the way back.
// Not here: products with such weights (kernels/int8.h).

#include <cstdint>
#include <span>
#include <string>
#include <vector>

#include "formats/safetensors.h"

namespace cp {

// A (rows cols) matrix, row-major: w = code * scale of the row. scale = largest |w| of the row / 127; codes are rounded
// to nearest, ties to even, and lie in -127 .. 127. In files: "prefix.weight" I8 (rows cols) and "prefix.weight_scale"
// F32 (rows).
struct Int8Rows {
  int rows = 0, cols = 0;
  std::vector<std::int8_t> codes;  // (rows cols)
  std::vector<float> scales;       // (rows)
};

// Throws UserError(numeric) in the name of `where` when a value of w (rows cols) is not finite.
Int8Rows quantize_int8_rows(std::span<const float> w, int rows, int cols, const std::string& where = "weights");

bool is_int8_rows(const SafeTensors& file, const std::string& prefix);

// The same with the codes where the file has them: dead when it is.
struct Int8RowsView {
  std::span<const std::int8_t> codes;
  std::vector<float> scales;
};

// Throws UserError(model): a tensor missing, of another dtype or shape, a code of -128, a scale below 0 or not finite.
Int8RowsView view_int8_rows(const SafeTensors& file, const std::string& prefix, int rows, int cols);
Int8Rows read_int8_rows(const SafeTensors& file, const std::string& prefix, int rows, int cols);
void want_int8_rows(TensorExpectation& expectation, const std::string& prefix, int rows, int cols);
void append_int8_rows(std::vector<TensorToWrite>& out, const std::string& prefix, const Int8Rows& weight);

}  // namespace cp
