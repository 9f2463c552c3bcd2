#include "data/direction_reader.h"

#include <algorithm>
#include <cctype>
#include <utility>

namespace cp {

bool is_one_of(const std::string& word, std::initializer_list<std::string_view> list) {
  return std::find(list.begin(), list.end(), word) != list.end();
}

// What a direction adjective divides.
bool is_region_word(const std::string& w) {
  return is_one_of(
      w, {"side", "sides",  "corner",  "corners", "edge",   "edges",   "part",   "parts",    "half",   "area", "areas",
          "end",  "middle", "portion", "section", "region", "quarter", "margin", "boundary", "border", "hand"});
}
bool is_determiner(const std::string& w) {
  return is_one_of(
      w, {"the", "a", "an", "this", "that", "these", "those", "its", "their", "it", "them", "another", "other"});
}
bool ends_noun_phrase(const std::string& w) {
  return is_determiner(w) ||
         is_one_of(w, {"",        "and",     "or",       "of",        "is",         "are",         "was",
                       "were",    "has",     "have",     "had",       "been",       "with",        "in",
                       "on",      "at",      "to",       "by",        "while",      "but",         "near",
                       "beside",  "next",    "along",    "around",    "from",       "as",          "for",
                       "through", "where",   "which",    "replacing", "replace",    "replaces",    "replaced",
                       "appear",  "appears", "appeared", "disappear", "disappears", "disappeared", "become",
                       "becomes", "turn",    "turns",    "change",    "changes",    "some",        "many",
                       "several", "one",     "two",      "three",     "more",       "above",       "below"});
}

namespace {

// "the top of the X" is a place of the image, not the summit or the roof of an object.
bool is_flat_place(const std::string& w) {
  return is_one_of(w, {"scene",  "scenes",  "screen", "image",    "images",   "picture",   "photo",     "view",
                       "map",    "frame",   "area",   "region",   "meadow",   "grass",     "grassland", "grasslands",
                       "forest", "forests", "woods",  "woodland", "bareland", "wasteland", "desert",    "field",
                       "fields", "site",    "land",   "place",    "middle",   "corner"});
}

bool blank(const std::string& text) { return text.find_first_not_of(" \t\n\r") == std::string::npos; }

class Reader {
 public:
  explicit Reader(const std::string& caption) {
    split(caption);
    for (CaptionToken& token : read_.tokens) token.direction = parse_direction_word(token.word);
    for (std::size_t i = 0; i < read_.tokens.size();) i = read_at(i);
    check_coordination();
    check_chinese(caption);
  }
  ReadCaption take() { return std::move(read_); }

 private:
  void split(const std::string& caption) {
    const auto in_word = [&](std::size_t at) {
      const auto c = static_cast<unsigned char>(caption[at]);
      return std::isalnum(c) || c >= 0x80 || c == '\'' ||
             (c == '-' && at > 0 && std::isalnum(static_cast<unsigned char>(caption[at - 1])));
    };
    std::size_t at = 0;
    while (at < caption.size()) {
      const std::size_t start = at;
      while (at < caption.size() && !in_word(at)) ++at;
      const std::size_t word = at;
      while (at < caption.size() && in_word(at)) ++at;
      if (word == at) {
        read_.tail = caption.substr(start);
        break;
      }
      CaptionToken token{caption.substr(start, word - start), caption.substr(word, at - word), {}, {}};
      token.word = token.text;
      for (char& c : token.word) c = static_cast<char>(std::tolower(static_cast<unsigned char>(c)));
      read_.tokens.push_back(std::move(token));
    }
  }

  std::string word(std::size_t i, int offset) const { return read_.word(i, offset); }
  bool is_direction_token(std::size_t i) const {
    return i < read_.tokens.size() && read_.tokens[i].direction.has_value();
  }

  // Reads what starts at token i; returns the token after it.
  std::size_t read_at(std::size_t i) {
    const std::string& w = read_.tokens[i].word;
    const std::string previous = word(i, -1), next = word(i, 1);
    if (is_direction_token(i) || ((w == "up" || w == "down") && (next == "left" || next == "right")))
      return read_phrase(i);
    if (w == "above" || w == "below") {
      if (is_one_of(previous, {"the", "from", "to", "mentioned", "as"})) {
        read_.unsafe_vertical = true;
      } else {
        read_.phrases.push_back({i, i, {0, w == "above" ? -1 : 1}, true});
      }
    } else if (is_one_of(w, {"under", "beneath", "underneath"})) {  // below in the picture or below in height?
      if (!is_one_of(next, {"construction", "development"})) read_.unsafe_vertical = true;
    } else if (w == "up" || w == "down") {
      const bool pair = (w == "up" && next == "and" && word(i, 2) == "down") ||
                        (w == "down" && previous == "and" && word(i, -2) == "up");
      const bool motion =
          is_one_of(previous, {"the", "go", "goes", "going", "move", "moves", "extend", "extends", "run", "runs",
                               "lead", "leads", "stretch", "stretches", "further", "way"});
      if (pair || motion) read_.unsafe_vertical = true;  // elsewhere part of a verb: "show up", "cut down"
    } else if (w == "upward" || w == "upwards" || w == "downward" || w == "downwards") {
      read_.unsafe_vertical = true;
    } else if (w == "front") {
      if (previous != "in") read_.unsafe_vertical = read_.unsafe_swap = true;
    } else if (is_one_of(w, {"horizontal", "horizontally"})) {
      read_.axis_words.push_back(i);
    } else if (is_one_of(w, {"vertical", "vertically"})) {
      read_vertical(i);
    } else if (is_one_of(w, {"longitudinal", "longitudinally", "lateral", "laterally", "transverse", "latitudinal"})) {
      read_.unsafe_swap = true;
    }
    return i + 1;
  }

  // "vertical to the road" is perpendicular to it in every view. "two vertical roads" may be two upright roads or two
  // that cross; only "a vertical road" is surely upright.
  void read_vertical(std::size_t i) {
    const std::string next = word(i, 1);
    if (next == "to" || next == "with") return;
    if (read_.tokens[i].word == "vertical" && is_one_of(word(i, -1), {"a", "one", "another", "this"})) {
      read_.axis_words.push_back(i);
    } else {
      read_.unsafe_swap = true;
    }
  }

  std::size_t read_phrase(std::size_t i) {
    CaptionToken& head = read_.tokens[i];
    if (!head.direction) {  // "up left"
      head.direction = DirectionWord{{Stem{0, head.word == "up" ? -1 : 1, StemStyle::updown}},
                                     "",
                                     "",
                                     std::isupper(static_cast<unsigned char>(head.text[0])) != 0};
    }
    std::size_t last = i;
    while (last + 1 < read_.tokens.size() && is_direction_token(last + 1) && blank(read_.tokens[last + 1].before))
      ++last;
    int dx = 0, dy = 0, stems = 0;
    for (std::size_t t = i; t <= last; ++t) {
      for (const Stem& stem : read_.tokens[t].direction->stems) {
        dx += stem.dx;
        dy += stem.dy;
        ++stems;
      }
    }
    const bool compound = stems == 2 && dx != 0 && dy != 0;
    if (stems > 1 && !compound) {  // "left right side", "north-south"
      read_.unsafe_horizontal = read_.unsafe_vertical = true;
      return last + 1;
    }
    switch (compound ? Reading::direction : read_single(i)) {
      case Reading::direction:
        read_.phrases.push_back({i, last, {dx, dy}, false});
        break;
      case Reading::unclear:
        (dx != 0 ? read_.unsafe_horizontal : read_.unsafe_vertical) = true;
        break;
      case Reading::other:
        break;
    }
    return last + 1;
  }

  enum class Reading { direction, unclear, other };

  Reading read_single(std::size_t i) const {
    const DirectionWord& direction = *read_.tokens[i].direction;
    const std::string& w = read_.tokens[i].word;
    const std::string previous = word(i, -1), next = word(i, 1);
    if (direction.stems[0].style == StemStyle::compass || !direction.suffix.empty()) return Reading::direction;
    if (is_one_of(next, {"floor", "floors", "level", "levels", "storey", "story", "than"}) && w != "left" &&
        w != "right") {
      return next == "than" ? Reading::other : Reading::unclear;
    }
    if (w == "higher") return is_region_word(next) ? Reading::direction : Reading::other;
    if (w == "upper") return Reading::direction;
    if (w == "lower") {
      return is_one_of(previous, {"is", "are", "a", "become", "becomes", "get", "gets", "much"}) ? Reading::unclear
                                                                                                 : Reading::direction;
    }
    if (w == "right" && is_one_of(next, {"angle", "angles"})) return Reading::other;
    if (w == "left" && next != "of" &&
        is_one_of(previous, {"has", "have", "had", "been", "is", "are", "was", "were", "be", "being"})) {
      return Reading::other;  // "cars have left", "no forest is left"
    }
    if (next == "of" && (w == "top" || w == "bottom"))
      return read_.is_of_flat_place(i) ? Reading::direction : Reading::unclear;
    const bool joined = (previous == "and" || previous == "or" || previous == "to") && i >= 2 &&
                        !read_.phrases.empty() && read_.phrases.back().last == i - 2;
    const bool introduced = is_one_of(previous, {"the", "its", "their", "at", "in", "on", "from", "far", "both",
                                                 "middle", "center", "centre", "central"}) ||
                            (previous == "to" && word(i, -2) != "next");
    // "on top" without an article, "right in the middle", "right next to": the little word alone decides nothing.
    const bool adverb = w == "right" && is_one_of(next, {"next", "beside", "along", "in", "behind", "near"}) &&
                        !joined &&
                        !is_one_of(previous, {"the", "its", "their", "middle", "center", "centre", "central"});
    if (adverb) return Reading::unclear;
    const bool paired = (next == "and" || next == "or") && parse_direction_word(word(i, 2));  // "left and right"
    const bool divides = is_region_word(next) || (next == "of" && !previous.empty());
    return joined || introduced || paired || divides ? Reading::direction : Reading::unclear;
  }

  // "bottom left and right corner" shares its "bottom": a quarter turn would have to repeat it.
  void check_coordination() {
    for (std::size_t p = 0; p + 1 < read_.phrases.size(); ++p) {
      const DirectionPhrase &a = read_.phrases[p], &b = read_.phrases[p + 1];
      const bool adjacent = (b.first == a.last + 2 || (b.first == a.last + 3 && word(b.first, -1) == "the")) &&
                            is_one_of(word(a.last, 1), {"and", "or"});
      const bool same = (a.direction.dx != 0 && a.direction.dy != 0) == (b.direction.dx != 0 && b.direction.dy != 0);
      if (adjacent && !same) read_.unsafe_swap = true;
    }
  }

  // Chinese directions are noticed, not rewritten. A bare "on" (shang) or "down" (xia) is none of them.
  void check_chinese(const std::string& caption) {
    const auto holds = [&](std::initializer_list<std::string_view> words) {
      return std::any_of(words.begin(), words.end(),
                         [&](std::string_view w) { return caption.find(w) != std::string::npos; });
    };
    if (holds({"左", "右", "东侧", "西侧", "东边", "西边", "东部", "西部", "东北", "东南", "西北", "西南"})) {
      read_.unsafe_horizontal = true;
    }
    if (holds({"上方", "下方", "上部", "下部", "上侧", "下侧", "上边", "下边", "上角", "下角", "上半", "下半", "顶部",
               "底部", "南", "北"})) {
      read_.unsafe_vertical = true;
    }
    if (read_.unsafe_horizontal || read_.unsafe_vertical) read_.unsafe_swap = true;
    if (holds({"横向", "纵向", "水平", "竖直", "垂直"})) read_.unsafe_swap = true;
  }

  ReadCaption read_;
};

}  // namespace

std::string ReadCaption::word(std::size_t token, int offset) const {
  std::size_t at = token;
  for (; offset > 0; --offset) {
    if (++at >= tokens.size() || !blank(tokens[at].before)) return "";
  }
  for (; offset < 0; ++offset) {
    if (at == 0 || !blank(tokens[at].before)) return "";
    --at;
  }
  return tokens[at].word;
}

bool ReadCaption::is_of_flat_place(std::size_t token) const {
  for (int offset = 2; offset <= 5; ++offset) {
    const std::string w = word(token, offset);
    if (is_flat_place(w)) return true;
    if (ends_noun_phrase(w) && !(offset == 2 && is_determiner(w))) return false;
  }
  return false;
}

ReadCaption read_caption_directions(const std::string& caption) { return Reader(caption).take(); }

}  // namespace cp
