#pragma once
// In:  normalised text.
// Out: the pieces that byte-pair merges never cross, and the printable characters that stand for bytes in
//      tokenizer.json.
// Not here: merges (bpe_merge.h), files (bpe_read.h).

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

namespace cp {

// The ways of cutting text. Each is a hand-written scanner of linear time: a regular-expression engine may overflow its
// stack on long runs.
enum class Split {
  qwen2,        // kQwen2Pattern
  llama3,       // kLlama3Pattern: as qwen2, but up to three digits in one piece
  gpt2,         // the pattern inside ByteLevel(use_regex):
                // 's|'t|'re|'ve|'m|'ll|'d| ?\p{L}+| ?\p{N}+| ?[^\s\p{L}\p{N}]+|\s+(?!\S)|\s+
  digits_gpt2,  // every numeric character alone, then gpt2 on what stands between them (SmolLM, StarCoder)
};

// Patterns as they stand in tokenizer.json.
extern const char* const kQwen2Pattern;
extern const char* const kLlama3Pattern;

// The matches, one after another; together they are the whole text. The views point into `text`.
std::vector<std::string_view> split_text(std::string_view text, Split split);

// The character (UTF-8) that stands for a byte in a byte-level vocabulary: printable Latin-1 stands for itself, the
// others are U+0100, U+0101 ... in order (Radford et al. 2019, GPT-2's encoder).
const std::string& byte_character(std::uint8_t byte);
// The 256 bytes in the order of their characters' code points: the first ids of a trained vocabulary.
const std::vector<std::uint8_t>& byte_alphabet();
// Bytes of a token. A token with any other character stands for its own UTF-8 bytes, as the reference decoder has it.
std::string token_bytes(std::string_view token);

}  // namespace cp
