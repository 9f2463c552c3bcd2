#include "text/pre_tokenizer.h"

#include <algorithm>
#include <array>
#include <limits>
#include <unordered_map>

#include "text/unicode.h"

namespace cp {

const char* const kQwen2Pattern =
    R"((?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+)";
const char* const kLlama3Pattern =
    R"((?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}{1,3}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+)";

namespace {

enum class Class : std::uint8_t { letter, number, space, newline, other, end };

struct Point {
  Class kind = Class::end;
  char32_t code = 0;
  std::size_t next = 0;  // byte behind it
};

class Scanner {
 public:
  explicit Scanner(std::string_view text) : text_(text) {}

  // The byte behind the match that begins at `begin`. The alternatives of the patterns in their order.
  std::size_t match_qwen2(std::size_t begin, int most_digits) const {
    const Point first = at(begin);
    if (const std::size_t end = contraction(first, /*any_case=*/true)) return end;

    if (first.kind == Class::letter) return run(begin, Class::letter);
    if (first.kind != Class::newline && first.kind != Class::number && at(first.next).kind == Class::letter)
      return run(first.next, Class::letter);

    if (first.kind == Class::number) return run(begin, Class::number, most_digits);

    const std::size_t symbols = first.code == ' ' ? first.next : begin;
    if (at(symbols).kind == Class::other) return run(run(symbols, Class::other), Class::newline);

    return white_space(begin, /*to_newline=*/true);
  }

  std::size_t match_gpt2(std::size_t begin) const {
    const Point first = at(begin);
    if (const std::size_t end = contraction(first, /*any_case=*/false)) return end;
    const std::size_t word = first.code == ' ' ? first.next : begin;
    const Class kind = at(word).kind;
    if (kind == Class::letter || kind == Class::number || kind == Class::other) return run(word, kind);
    return white_space(begin, /*to_newline=*/false);
  }

 private:
  Point at(std::size_t position) const {
    if (position >= text_.size()) return {};
    Point point;
    point.next = position;
    point.code = next_code_point(text_, point.next);
    const char32_t c = point.code;
    point.kind = c == '\r' || c == '\n' ? Class::newline
                 : is_space(c)          ? Class::space
                 : is_letter(c)         ? Class::letter
                 : is_number(c)         ? Class::number
                                        : Class::other;
    return point;
  }

  std::size_t run(std::size_t position, Class kind, int most = std::numeric_limits<int>::max()) const {
    for (Point point = at(position); point.kind == kind && most > 0; point = at(position), --most)
      position = point.next;
    return position;
  }

  // 's 't 'm 'd 're 've 'll; 0 when there is none. Without regard to case, the long s folds to s.
  std::size_t contraction(const Point& first, bool any_case) const {
    if (first.code != '\'') return 0;
    const auto fold = [&](char32_t c) -> char32_t {
      if (!any_case) return c;
      return c == 0x17f ? U's' : c >= 'A' && c <= 'Z' ? c + 32 : c;
    };
    const Point second = at(first.next);
    const char32_t a = fold(second.code);
    if (a == 's' || a == 't' || a == 'm' || a == 'd') return second.next;
    const Point third = at(second.next);
    const char32_t b = fold(third.code);
    const bool found = (a == 'r' && b == 'e') || (a == 'v' && b == 'e') || (a == 'l' && b == 'l');
    return found ? third.next : 0;
  }

  // \s*[\r\n]+ (`to_newline`) takes a run of white space up to its last newline; \s+(?!\S) leaves the last of a run
  // that a word follows, so that it can lead that word; \s+ takes what remains.
  std::size_t white_space(std::size_t begin, bool to_newline) const {
    std::size_t end = begin, last = begin, behind_newline = 0;
    for (Point point = at(begin); point.kind == Class::space || point.kind == Class::newline; point = at(end)) {
      last = end;
      end = point.next;
      if (point.kind == Class::newline) behind_newline = end;
    }
    if (to_newline && behind_newline != 0) return behind_newline;
    return end == text_.size() || last == begin ? end : last;
  }

  std::string_view text_;
};

std::array<std::string, 256> make_byte_characters() {
  std::array<std::string, 256> characters;
  char32_t stand_in = 0x100;
  for (unsigned byte = 0; byte < 256; ++byte) {
    const bool printable = (byte >= 0x21 && byte <= 0x7e) || (byte >= 0xa1 && byte <= 0xac) || byte >= 0xae;
    append_utf8(printable ? byte : stand_in++, characters[byte]);
  }
  return characters;
}

}  // namespace

std::vector<std::string_view> split_text(std::string_view text, Split split) {
  std::vector<std::string_view> pieces;
  const auto cut = [&](std::string_view part) {
    const Scanner scanner(part);
    for (std::size_t begin = 0; begin < part.size();) {
      const std::size_t end = split == Split::qwen2    ? scanner.match_qwen2(begin, 1)
                              : split == Split::llama3 ? scanner.match_qwen2(begin, 3)
                                                       : scanner.match_gpt2(begin);
      pieces.push_back(part.substr(begin, end - begin));
      begin = end;
    }
  };
  if (split != Split::digits_gpt2) {
    cut(text);
    return pieces;
  }
  std::size_t behind_digit = 0;
  for (std::size_t position = 0; position < text.size();) {
    const std::size_t begin = position;
    if (!is_numeric(next_code_point(text, position))) continue;
    cut(text.substr(behind_digit, begin - behind_digit));
    pieces.push_back(text.substr(begin, position - begin));
    behind_digit = position;
  }
  cut(text.substr(behind_digit));
  return pieces;
}

const std::string& byte_character(std::uint8_t byte) {
  static const std::array<std::string, 256> characters = make_byte_characters();
  return characters[byte];
}

const std::vector<std::uint8_t>& byte_alphabet() {
  static const std::vector<std::uint8_t> alphabet = [] {
    std::vector<std::uint8_t> bytes(256);
    for (unsigned i = 0; i < 256; ++i) bytes[i] = static_cast<std::uint8_t>(i);
    // The order of UTF-8 strings is that of code points.
    std::sort(bytes.begin(), bytes.end(),
              [](std::uint8_t a, std::uint8_t b) { return byte_character(a) < byte_character(b); });
    return bytes;
  }();
  return alphabet;
}

std::string token_bytes(std::string_view token) {
  static const std::unordered_map<std::string_view, char> byte_of = [] {
    std::unordered_map<std::string_view, char> map;
    for (unsigned byte = 0; byte < 256; ++byte)
      map[byte_character(static_cast<std::uint8_t>(byte))] = static_cast<char>(byte);
    return map;
  }();
  std::string bytes;
  for (std::size_t position = 0; position < token.size();) {
    const std::size_t begin = position;
    next_code_point(token, position);
    const auto found = byte_of.find(token.substr(begin, position - begin));
    if (found == byte_of.end()) return std::string(token);
    bytes += found->second;
  }
  return bytes;
}

}  // namespace cp
