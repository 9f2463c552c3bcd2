#pragma once
// In:  UTF-8 text, invalid text too.
// Out: code points, their classes (\p{L}, \p{N}, \s), canonical composition (NFC).
// Not here: tokens (pre_tokenizer.h, bpe_tokenizer.h).

#include <string>
#include <string_view>

namespace cp {

inline constexpr char32_t kInvalidCodePoint = 0xffffffff;

// The code point that begins at `position`, which moves behind it. For an invalid sequence kInvalidCodePoint, and
// `position` moves by its maximal valid prefix, at least one byte (Unicode 15, table 3-8; as Rust's from_utf8_lossy).
char32_t next_code_point(std::string_view text, std::size_t& position);
void append_utf8(char32_t code_point, std::string& text);

// Every invalid sequence becomes U+FFFD.
std::string replace_invalid_utf8(std::string_view text);

// Unicode 16's general categories L* and N*, and White_Space.
bool is_letter(char32_t c);
bool is_number(char32_t c);
bool is_space(char32_t c);
// Unicode 17's N*: what the `tokenizers` library's Digits step (Rust's char::is_numeric) takes for a digit. Its split
// patterns go by Unicode 16.
bool is_numeric(char32_t c);

// Throws UserError(data) that names the first byte of the first invalid sequence.
void require_utf8(std::string_view text);

// Normalisation form C of Unicode 15 in time n log n. (The `tokenizers` library still orders by Unicode 9: it differs
// when one of the 98 combining marks added since stands in a stack of marks.) Throws UserError(data) when `text` is not
// valid UTF-8.
std::string nfc(std::string_view text);

}  // namespace cp
