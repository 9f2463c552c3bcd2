#pragma once
// In:  configuration and weights of a language model's folder.
// Out: everything about them that does not fit, in one message; values of a weight however it is stored.
// Not here: how one storage is read (safetensors.h, nf4.h, int8_rows.h), the model (runtime/language_model.h, learn/).

#include <string>
#include <vector>

#include "formats/language_config.h"
#include "formats/safetensors.h"

namespace cp {

enum class Storage { dense, nf4, int8 };

// How PREFIX.weight is stored. A weight that is not there counts as dense.
Storage storage_of(const SafeTensors& file, const std::string& prefix);

// Throws UserError(model):
// - tensors that are missing, unknown or mis-shaped, all of them; q, k and v have biases in Qwen2 only; linear layers
// may
//   be dense or NF4 one by one, embedding and head dense or int8;
// - NF4 weights without "quantization_config", and the reverse;
// - a head that is stored although "tie_word_embeddings" is true and that is not the embedding, byte by byte (an equal
//   one is redundant and accepted; an untied head that is absent is missing).
void check_language_weights(const LanguageConfig& config, const SafeTensors& file);

// float32 values of PREFIX.weight (rows cols), dequantised where it is quantised.
std::vector<float> weight_floats(const SafeTensors& file, const std::string& prefix, int rows, int cols);

}  // namespace cp
