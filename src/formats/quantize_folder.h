#pragma once
// In:  a Hugging Face folder of a dense language model.
// Out: the same folder with its linear layers in bitsandbytes' NF4, which transformers + bitsandbytes load as well;
//      or with an adapter merged into them.
// Not here: the bits of NF4 (nf4.h), model folders (model_folder.h).

#include <filesystem>
#include <string>

#include "formats/peft_adapter.h"

namespace cp {

struct QuantizeOptions {
  bool double_quant = true;
  bool int8_embedding = false;             // embedding and head as int8 rows: only this program reads those
  std::string compute_dtype = "bfloat16";  // for transformers: float32, float16 or bfloat16
};

// Every linear layer is quantised from the values that are stored; their dtype is recorded. Other tensors and the
// folder's other *.json and *.jinja files are copied. `to` is written under another name and renamed when it is
// complete; it must not exist. Throws UserError(model), also when the folder is quantised already.
void quantize_language_folder(const std::filesystem::path& from, const std::filesystem::path& to,
                              const QuantizeOptions& options);

// The same for W + scale B A (sign 1), or back (sign -1), rounded to the dtype that W is stored in.
void merge_language_folder(const std::filesystem::path& from, const std::filesystem::path& adapter,
                           const std::filesystem::path& to, float sign);

}  // namespace cp
