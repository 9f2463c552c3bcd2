#include "formats/language_weights.h"

#include "core/error.h"
#include "formats/int8_rows.h"
#include "formats/language_tensors.h"
#include "formats/nf4.h"

namespace cp {

namespace {

constexpr const char* kEmbedding = "model.embed_tokens";
constexpr const char* kHead = "lm_head";

void want_weight(const SafeTensors& file, const std::string& prefix, int rows, int cols, TensorExpectation& expected) {
  switch (storage_of(file, prefix)) {
    case Storage::nf4:
      return want_nf4(expected, file, prefix, rows, cols);
    case Storage::int8:
      return want_int8_rows(expected, prefix, rows, cols);
    case Storage::dense:
      expected.want(prefix + ".weight", {rows, cols});
  }
}

void check_tie(const LanguageConfig& config, const SafeTensors& file) {
  const std::string head = std::string(kHead) + ".weight", embedding = std::string(kEmbedding) + ".weight";
  if (!config.tie_word_embeddings || !file.has(head)) return;
  const TensorView &h = file.tensors().at(head), &e = file.tensors().at(embedding);
  if (h.dtype != e.dtype || h.bytes != e.bytes)
    throw UserError(ErrorKind::model, file.where(),
                    "\"tie_word_embeddings\" is true, but lm_head.weight differs from model.embed_tokens.weight.",
                    "Set it to false in config.json if the head is meant, or remove lm_head.weight.");
}

void check_quantization(const LanguageConfig& config, const SafeTensors& file) {
  std::string packed;
  for (const LinearShape& linear : language_linears(config))
    if (storage_of(file, linear.name) == Storage::nf4) packed = linear.name;
  if (packed.empty() == !config.nf4) return;
  throw UserError(ErrorKind::model, file.where(),
                  config.nf4 ? "config.json has a \"quantization_config\" for NF4, but no linear layer is stored so."
                             : "\"" + packed + "\" is stored in NF4, but config.json has no \"quantization_config\".",
                  "Take configuration and weights from one folder; `changepilot model quantize` writes both.");
}

}  // namespace

Storage storage_of(const SafeTensors& file, const std::string& prefix) {
  if (is_int8_rows(file, prefix)) return Storage::int8;
  if (is_nf4(file, prefix)) return Storage::nf4;
  return Storage::dense;
}

void check_language_weights(const LanguageConfig& c, const SafeTensors& file) {
  TensorExpectation expected;
  want_weight(file, kEmbedding, c.vocab_size, c.hidden_size, expected);
  if (!c.tie_word_embeddings || file.has(std::string(kHead) + ".weight"))
    want_weight(file, kHead, c.vocab_size, c.hidden_size, expected);
  for (const LinearShape& linear : language_linears(c)) {
    want_weight(file, linear.name, static_cast<int>(linear.out), static_cast<int>(linear.in), expected);
    if (has_bias(c, linear.name)) expected.want(linear.name + ".bias", {linear.out});
  }
  for (int i = 0; i < c.num_hidden_layers; ++i)
    for (const char* norm : {"input_layernorm", "post_attention_layernorm"})
      expected.want("model.layers." + std::to_string(i) + "." + norm + ".weight", {c.hidden_size});
  expected.want("model.norm.weight", {c.hidden_size});
  expected.check(file);
  check_tie(c, file);
  check_quantization(c, file);
}

std::vector<float> weight_floats(const SafeTensors& file, const std::string& prefix, int rows, int cols) {
  switch (storage_of(file, prefix)) {
    case Storage::nf4: {
      std::vector<float> values(static_cast<std::size_t>(rows) * static_cast<std::size_t>(cols));
      Nf4Weight stored = read_nf4(file, prefix, rows, cols);
      stored.dtype = DType::f32;  // as the products compute it: not rounded to the dtype it once had
      dequantize_nf4(stored, values);
      return values;
    }
    case Storage::int8: {
      const Int8Rows stored = read_int8_rows(file, prefix, rows, cols);
      std::vector<float> values(stored.codes.size());
      for (std::size_t i = 0; i < values.size(); ++i)
        values[i] = static_cast<float>(stored.codes[i]) * stored.scales[i / static_cast<std::size_t>(cols)];
      return values;
    }
    case Storage::dense:
      break;
  }
  return file.floats(prefix + ".weight", {rows, cols});
}

}  // namespace cp
