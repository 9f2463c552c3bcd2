#include "data/chinese_directions.h"

#include <string_view>

#include "text/unicode.h"

namespace cp {
namespace {

bool is_in(char32_t c, std::u32string_view set) { return c != 0 && set.find(c) != std::u32string_view::npos; }

Direction direction_of(char32_t c) {
  switch (c) {
    case U'左':
      return {-1, 0};
    case U'右':
      return {1, 0};
    case U'上':
      return {0, -1};
    case U'下':
      return {0, 1};
    default:
      return {};
  }
}

char32_t character_of(Direction d) {
  if (d.dx != 0) return d.dx < 0 ? U'左' : U'右';
  return d.dy < 0 ? U'上' : U'下';
}

class Rewriter {
 public:
  Rewriter(const std::string& caption, const DirectionMap& map) : map_(map), swapped_(map.xx == 0) {
    for (std::size_t at = 0; at < caption.size();) text_.push_back(next_code_point(caption, at));
  }

  std::optional<std::string> write() {
    while (at_ < text_.size()) {
      const char32_t c = text_[at_];
      const bool latin = (c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z');  // may be an English direction
      if (latin || is_in(c, U"东南西北横竖纵") || c == kInvalidCodePoint) return std::nullopt;
      const std::size_t length = direction_of(c) == Direction{} ? keep() : is_in(ahead(1), U"左右上下") ? two() : one();
      if (length == 0) return std::nullopt;
      at_ += length;
    }
    std::string out;
    for (const char32_t c : out_) append_utf8(c, out);
    return out;
  }

 private:
  char32_t ahead(std::size_t steps) const { return at_ + steps < text_.size() ? text_[at_ + steps] : 0; }
  char32_t behind() const { return at_ > 0 ? text_[at_ - 1] : 0; }
  char32_t mapped(char32_t c) const { return character_of(map_direction(direction_of(c), map_)); }

  // Each writes what stands at at_ and returns how many characters that was, 0 when it is not understood.
  std::size_t keep() {
    out_ += text_[at_];
    return 1;
  }

  std::size_t two() {
    const char32_t a = text_[at_], b = ahead(1);
    if (is_in(a, U"左右") && is_in(b, U"上下") && is_in(ahead(2), U"角方侧部")) {
      const char32_t to_a = mapped(a), to_b = mapped(b);
      out_ += is_in(to_a, U"左右") ? to_a : to_b;
      out_ += is_in(to_a, U"左右") ? to_b : to_a;
      return 2;
    }
    const bool axis = (a == U'左' && b == U'右') || (a == U'上' && b == U'下');
    if (!axis || (swapped_ && ahead(2) != U'两')) return 0;  // 十米左右, 上下起伏 are no axes of the image
    out_ += (a == U'左') != swapped_ ? U"左右" : U"上下";
    return 2;
  }

  std::size_t one() {
    const char32_t c = text_[at_], next = ahead(1);
    if (next == U'侧' || (next == U'方' && !is_in(ahead(2), U"形块正圆"))) {
      // The customary word of a side is 左侧 and 上方; the other two have no counterpart on the other axis.
      const bool customary = (next == U'侧') == is_in(c, U"左右");
      if (swapped_ && !customary) return 0;
      out_ += mapped(c);
      out_ += !swapped_ ? next : next == U'侧' ? U'方' : U'侧';
      return 2;
    }
    if (next == U'边' || (next == U'半' && is_in(ahead(2), U"部边"))) {
      out_ += mapped(c);
      out_ += next;
      return 2;
    }
    const bool on =
        c == U'上' && is_letter(behind()) && !is_in(behind(), U"向朝往最偏靠") && !(next == U'部' && ahead(2) != U'分');
    const bool no_place = c == U'下' && is_in(behind(), U"剩留余地");
    return on || no_place ? keep() : 0;
  }

  const DirectionMap& map_;
  const bool swapped_;  // horizontal directions become vertical ones
  std::u32string text_, out_;
  std::size_t at_ = 0;
};

}  // namespace

std::optional<std::string> rewrite_chinese_directions(const std::string& caption, const DirectionMap& map) {
  if (map == DirectionMap{}) return caption;
  return Rewriter(caption, map).write();
}

}  // namespace cp
