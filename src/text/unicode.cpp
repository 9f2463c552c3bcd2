#include "text/unicode.h"

#include <algorithm>
#include <array>
#include <iterator>
#include <vector>

#include <fmt/format.h>
#include <utf8proc.h>

#include "core/error.h"

namespace cp {
namespace {

constexpr char32_t kReplacement = 0xfffd;

struct Range {
  char32_t first, last;
};

// What Unicode 15.1 and 16 added to 15.0, which is what Debian 12's utf8proc knows. A newer utf8proc has them too.
constexpr Range kNewLetters[] = {{0x1c89, 0x1c8a},   {0xa7cb, 0xa7cd},   {0xa7da, 0xa7dc},   {0x105c0, 0x105f3},
                                 {0x10d4a, 0x10d65}, {0x10d6f, 0x10d85}, {0x10ec2, 0x10ec4}, {0x11380, 0x11389},
                                 {0x1138b, 0x1138b}, {0x1138e, 0x1138e}, {0x11390, 0x113b5}, {0x113b7, 0x113b7},
                                 {0x113d1, 0x113d1}, {0x113d3, 0x113d3}, {0x11bc0, 0x11be0}, {0x13460, 0x143fa},
                                 {0x16100, 0x1611d}, {0x16d40, 0x16d6c}, {0x18cff, 0x18cff}, {0x1e5d0, 0x1e5ed},
                                 {0x1e5f0, 0x1e5f0}, {0x2ebf0, 0x2ee5d}};
constexpr Range kNewNumbers[] = {{0x10d40, 0x10d49}, {0x116d0, 0x116e3}, {0x11bf0, 0x11bf9}, {0x16130, 0x16139},
                                 {0x16d70, 0x16d79}, {0x1ccf0, 0x1ccf9}, {0x1e5f1, 0x1e5fa}};

template <std::size_t N>
bool in_ranges(const Range (&ranges)[N], char32_t c) {
  const auto after = std::upper_bound(std::begin(ranges), std::end(ranges), c,
                                      [](char32_t value, const Range& range) { return value < range.first; });
  return after != std::begin(ranges) && c <= std::prev(after)->last;
}

int category(char32_t c) { return utf8proc_category(static_cast<utf8proc_int32_t>(c)); }

}  // namespace

char32_t next_code_point(std::string_view text, std::size_t& position) {
  const auto byte = [&](std::size_t i) { return static_cast<unsigned char>(text[i]); };
  const unsigned lead = byte(position++);
  if (lead < 0x80) return lead;
  // Number of following bytes and the range of the first of them: no overlong forms, no surrogates, nothing above
  // U+10FFFF.
  int rest = 0;
  unsigned low = 0x80, high = 0xbf;
  if (lead >= 0xc2 && lead <= 0xdf) {
    rest = 1;
  } else if (lead >= 0xe0 && lead <= 0xef) {
    rest = 2;
    if (lead == 0xe0) low = 0xa0;
    if (lead == 0xed) high = 0x9f;
  } else if (lead >= 0xf0 && lead <= 0xf4) {
    rest = 3;
    if (lead == 0xf0) low = 0x90;
    if (lead == 0xf4) high = 0x8f;
  } else {
    return kInvalidCodePoint;
  }
  char32_t c = lead & (0x3fu >> rest);
  for (; rest > 0; --rest, low = 0x80, high = 0xbf) {
    if (position >= text.size() || byte(position) < low || byte(position) > high) return kInvalidCodePoint;
    c = c << 6 | (byte(position++) & 0x3fu);
  }
  return c;
}

void append_utf8(char32_t c, std::string& text) {
  utf8proc_uint8_t bytes[4];
  const auto size = utf8proc_encode_char(static_cast<utf8proc_int32_t>(c), bytes);
  text.append(reinterpret_cast<const char*>(bytes), static_cast<std::size_t>(size));
}

std::string replace_invalid_utf8(std::string_view text) {
  std::string out;
  out.reserve(text.size());
  for (std::size_t position = 0; position < text.size();) {
    const std::size_t begin = position;
    if (next_code_point(text, position) == kInvalidCodePoint)
      append_utf8(kReplacement, out);
    else
      out.append(text.substr(begin, position - begin));
  }
  return out;
}

bool is_letter(char32_t c) {
  if (c < 0x80) return (c | 0x20u) >= 'a' && (c | 0x20u) <= 'z';
  const int found = category(c);
  return (found >= UTF8PROC_CATEGORY_LU && found <= UTF8PROC_CATEGORY_LO) || in_ranges(kNewLetters, c);
}

bool is_number(char32_t c) {
  if (c < 0x80) return c >= '0' && c <= '9';
  const int found = category(c);
  return (found >= UTF8PROC_CATEGORY_ND && found <= UTF8PROC_CATEGORY_NO) || in_ranges(kNewNumbers, c);
}

bool is_numeric(char32_t c) { return is_number(c) || (c >= 0x11de0 && c <= 0x11de9) || (c >= 0x16ff4 && c <= 0x16ff6); }

bool is_space(char32_t c) {
  return (c >= 0x9 && c <= 0xd) || c == 0x20 || c == 0x85 || c == 0xa0 || c == 0x1680 || (c >= 0x2000 && c <= 0x200a) ||
         c == 0x2028 || c == 0x2029 || c == 0x202f || c == 0x205f || c == 0x3000;
}

void require_utf8(std::string_view text) {
  for (std::size_t position = 0; position < text.size();) {
    const std::size_t begin = position;
    if (next_code_point(text, position) == kInvalidCodePoint)
      throw UserError(ErrorKind::data, "text", fmt::format("not valid UTF-8 at byte {}.", begin),
                      "Save the text as UTF-8.");
  }
}

std::string nfc(std::string_view text) {
  if (std::all_of(text.begin(), text.end(), [](char byte) { return static_cast<unsigned char>(byte) < 0x80; }))
    return std::string(text);
  constexpr auto kOptions = static_cast<utf8proc_option_t>(UTF8PROC_STABLE | UTF8PROC_COMPOSE);
  constexpr int kLongest = 8;  // code points in a canonical decomposition: at most 4
  require_utf8(text);
  std::vector<utf8proc_int32_t> points;
  points.reserve(text.size());
  for (std::size_t position = 0; position < text.size();) {
    const char32_t c = next_code_point(text, position);
    std::array<utf8proc_int32_t, kLongest> parts;
    int boundary = 0;
    const auto n =
        utf8proc_decompose_char(static_cast<utf8proc_int32_t>(c), parts.data(), kLongest, kOptions, &boundary);
    CP_CHECK(n >= 0 && n <= kLongest, fmt::format("decomposition of U+{:04X}", static_cast<std::uint32_t>(c)));
    points.insert(points.end(), parts.begin(), parts.begin() + n);
  }
  // Canonical order. utf8proc's own loop is quadratic on long runs of marks.
  const auto rank = [](utf8proc_int32_t c) { return utf8proc_get_property(c)->combining_class; };
  for (auto begin = points.begin(); begin != points.end();) {
    if (rank(*begin) == 0) {
      ++begin;
      continue;
    }
    const auto end = std::find_if(begin, points.end(), [&](utf8proc_int32_t c) { return rank(c) == 0; });
    std::stable_sort(begin, end, [&](utf8proc_int32_t a, utf8proc_int32_t b) { return rank(a) < rank(b); });
    begin = end;
  }
  const auto size = utf8proc_normalize_utf32(points.data(), static_cast<utf8proc_ssize_t>(points.size()), kOptions);
  CP_CHECK(size >= 0, "utf8proc_normalize_utf32");
  std::string out;
  out.reserve(text.size());
  for (auto i = points.begin(); i != points.begin() + size; ++i) append_utf8(static_cast<char32_t>(*i), out);
  return out;
}

}  // namespace cp
