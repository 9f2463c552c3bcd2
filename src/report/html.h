#pragma once
// In:  text of any origin, numbers that may not have been measured, bytes of pictures.
// Out: pieces of HTML that cannot break out of their place; words in the page's language.
// Not here: figures (plot.h), whole pages (report.h, training_page.h).

#include <optional>
#include <string>
#include <string_view>

namespace cp {

// For text and for attribute values in double or single quotes: & < > " ' become entities, control characters but tab
// and line feed are left out, bytes that are no UTF-8 become U+FFFD.
std::string escape_html(std::string_view text);

std::string base64(std::string_view bytes);                                 // RFC 4648, padded
std::string data_uri(std::string_view media_type, std::string_view bytes);  // "data:image/png;base64,..."

// The language of a page. Both forms stand where they are used, so that none is forgotten.
class Say {
 public:
  explicit Say(bool chinese) : chinese_(chinese) {}
  const char* operator()(const char* english, const char* chinese) const { return chinese_ ? chinese : english; }
  bool chinese() const { return chinese_; }
  const char* code() const { return chinese_ ? "zh-CN" : "en"; }
  std::string not_measured() const;  // a muted "not measured"

 private:
  bool chinese_;
};

// With a typographic minus sign; "not a number" and infinities give an en dash. `decimals` 0 to 6.
std::string number_text(double value, int decimals);

// Runs of text, each in its place, for a whole document. `head` goes before </head>; `body` is HTML.
std::string html_page(const Say& say, const std::string& title, const std::string& head, const std::string& body);

}  // namespace cp
