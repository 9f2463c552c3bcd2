// Weights that do not belong to their configuration: what is wrong, in one message.
#include "formats/language_weights.h"

#include "formats/int8_rows.h"
#include "formats/nf4.h"
#include "formats/peft_golden.h"

namespace cp {
namespace {

using test::throws_user_error;
using Tensors = std::vector<TensorToWrite>;

SafeTensors file_of(const Tensors& tensors) { return SafeTensors::parse(encode_safetensors(tensors), "weights"); }

std::vector<float> values(std::int64_t size) {
  std::vector<float> out;
  for (std::int64_t i = 0; i < size; ++i) out.push_back(static_cast<float>(i % 13 - 6) / 8);
  return out;
}

// The weights of peft_language(), its linear layers packed or not.
Tensors weights(const LanguageConfig& c, bool nf4, bool int8_embedding = false) {
  Tensors out;
  const std::int64_t vocabulary = c.vocab_size, hidden = c.hidden_size;
  if (int8_embedding)
    append_int8_rows(out, "model.embed_tokens",
                     quantize_int8_rows(values(vocabulary * hidden), c.vocab_size, c.hidden_size));
  else
    out.push_back({"model.embed_tokens.weight", {vocabulary, hidden}, values(vocabulary * hidden)});
  for (const LinearShape& l : language_linears(c)) {
    if (nf4)
      append_nf4(
          out, l.name,
          quantize_nf4(values(l.out * l.in), static_cast<int>(l.out), static_cast<int>(l.in), true, DType::bf16));
    else
      out.push_back({l.name + ".weight", {l.out, l.in}, values(l.out * l.in)});
    if (l.name.ends_with("q_proj") || l.name.ends_with("k_proj") || l.name.ends_with("v_proj"))
      out.push_back({l.name + ".bias", {l.out}, values(l.out)});
  }
  for (int i = 0; i < c.num_hidden_layers; ++i)
    for (const char* norm : {"input_layernorm", "post_attention_layernorm"})
      out.push_back({"model.layers." + std::to_string(i) + "." + norm + ".weight", {hidden}, values(hidden)});
  out.push_back({"model.norm.weight", {hidden}, values(hidden)});
  return out;
}

LanguageConfig config(bool nf4) {
  LanguageConfig c = test::peft_language();
  if (nf4) c.nf4 = Nf4Config{};
  return c;
}

::testing::AssertionResult refused(const LanguageConfig& c, const Tensors& tensors,
                                   std::initializer_list<const char*> parts) {
  return throws_user_error([&] { check_language_weights(c, file_of(tensors)); }, ErrorKind::model, parts);
}

TEST(LanguageWeights, PackedWeightsAreExpectedInTheirPackedShapes) {
  for (const bool nf4 : {true, false})
    for (const bool int8 : {true, false})
      EXPECT_NO_THROW(check_language_weights(config(nf4), file_of(weights(config(nf4), nf4, int8))));
  const SafeTensors file = file_of(weights(config(true), true));
  EXPECT_EQ(storage_of(file, "model.layers.0.mlp.up_proj"), Storage::nf4);
  EXPECT_EQ(file.tensors().at("model.layers.0.mlp.up_proj.weight").shape, (std::vector<std::int64_t>{24 * 16 / 2, 1}));
  EXPECT_EQ(weight_floats(file, "model.layers.0.mlp.up_proj", 24, 16).size(), 24u * 16);
}

// Not a wall of shapes: the one thing that is wrong.
TEST(LanguageWeights, DenseWeightsWithAPackedConfigurationAreOneMessageAndTheReverse) {
  const auto one_line = [](const LanguageConfig& c, const Tensors& tensors) {
    try {
      check_language_weights(c, file_of(tensors));
    } catch (const UserError& error) {
      return std::string(error.what()).find('\n') == std::string::npos;
    }
    return false;
  };
  EXPECT_TRUE(
      refused(config(true), weights(config(false), false),
              {"weights: ", "\"quantization_config\" for NF4", "no linear layer is stored so", "model quantize"}));
  EXPECT_TRUE(one_line(config(true), weights(config(false), false)));
  EXPECT_TRUE(
      refused(config(false), weights(config(true), true),
              {"weights: ", "is stored in NF4", "config.json has no \"quantization_config\"", "model quantize"}));
  EXPECT_TRUE(one_line(config(false), weights(config(true), true)));
}

TEST(LanguageWeights, APackedLayerOfAnotherSizeIsNamedByItsPackedShape) {
  LanguageConfig wider = config(true);
  wider.intermediate_size = 32;
  EXPECT_TRUE(refused(wider, weights(config(true), true),
                      {"shape: model.layers.0.mlp.up_proj.weight wanted [256, 1], found [192, 1]",
                       "shape: model.layers.1.mlp.down_proj.weight.absmax wanted [8], found [6]"}));
}

TEST(LanguageWeights, TheHeadIsNeverReplacedByTheEmbedding) {
  LanguageConfig untied = config(false);
  untied.tie_word_embeddings = false;
  EXPECT_TRUE(refused(untied, weights(untied, false), {"missing: lm_head.weight [11, 16]"}));
  Tensors twice = weights(untied, false);
  twice.push_back({"lm_head.weight", {11, 16}, values(11 * 16)});
  EXPECT_NO_THROW(check_language_weights(untied, file_of(twice)));
  EXPECT_NO_THROW(check_language_weights(config(false), file_of(twice)));  // tied, and stored twice
  twice.back().values[3] += 1;
  EXPECT_TRUE(refused(config(false), twice, {"tie_word_embeddings", "lm_head.weight differs"}));
}

}  // namespace
}  // namespace cp
