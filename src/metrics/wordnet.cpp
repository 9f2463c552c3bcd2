#include "metrics/wordnet.h"

#include <cstdlib>

#include <fmt/format.h>

#include "core/error.h"
#include "core/file.h"

namespace cp {
namespace {

namespace fs = std::filesystem;
constexpr std::array<const char*, WordNet::kParts> kPartNames{"noun", "verb", "adj", "adv"};
constexpr std::uint64_t kMaxFile = std::uint64_t{64} << 20;
constexpr const char* kHint = "Install wordnet-base, or name the folder of WordNet 3.0's files with --wordnet.";

// "lemma rest"; the licence's lines begin with a blank.
WordList read_rows(const fs::path& file) {
  return WordList(read_file(file, kMaxFile, ErrorKind::data), file.string(),
                  [](std::string_view text, const auto& add) {
                    std::string_view line;
                    while (cut_line(text, line)) {
                      if (line.empty() || line.front() == ' ') continue;
                      const std::string_view key = cut_word(line);
                      add({key, line});
                    }
                  });
}

UserError damaged(const std::string& where, const std::string& what) {
  return UserError(ErrorKind::data, where, what, kHint);
}

}  // namespace

fs::path installed_wordnet() {
  if (const char* named = std::getenv("WNSEARCHDIR"); named && *named) return named;
  if (const fs::path debian = "/usr/share/wordnet"; WordNet::is_in(debian)) return debian;
  throw UserError(ErrorKind::data, "WordNet", "is not in $WNSEARCHDIR nor in /usr/share/wordnet.", kHint);
}

bool WordNet::is_in(const fs::path& folder) {
  std::error_code none;
  return fs::exists(folder / "index.noun", none);
}

WordNet::WordNet(const fs::path& folder, bool with_words) {
  if (!is_in(folder)) throw UserError(ErrorKind::data, folder.string(), "holds no index.noun.", kHint);
  for (std::size_t p = 0; p < kParts; ++p) {
    const std::string name = kPartNames[p];
    index_[p] = read_rows(folder / ("index." + name));
    bases_[p] = read_rows(folder / (name + ".exc"));
    if (!with_words) continue;
    const fs::path data = folder / ("data." + name);
    data_[p] = read_file(data, kMaxFile, ErrorKind::data);
    data_where_[p] = data.string();
  }
}

// lemma pos synset_cnt p_cnt [symbol...] sense_cnt tagsense_cnt offset [offset...]: the last synset_cnt fields.
std::vector<int> WordNet::synsets(std::size_t part, std::string_view lemma) const {
  std::vector<int> found;
  for (const auto& [key, value] : index_[part].find(lemma)) {
    std::vector<std::string_view> fields;
    std::string_view rest = value;
    for (std::string_view word = cut_word(rest); !word.empty(); word = cut_word(rest)) fields.push_back(word);
    const std::string& where = index_[part].where();
    const auto count =
        fields.size() < 2 ? fields.size() + 1 : static_cast<std::size_t>(dictionary_number(fields[1], where));
    if (count > fields.size()) throw damaged(where, fmt::format("the line of \"{}\" is too short.", lemma));
    for (std::size_t i = fields.size() - count; i < fields.size(); ++i)
      found.push_back(dictionary_number(fields[i], where));
  }
  return found;
}

std::vector<std::string_view> WordNet::bases(std::size_t part, std::string_view form) const {
  std::vector<std::string_view> found;
  for (const auto& [key, value] : bases_[part].find(form)) {
    std::string_view rest = value;
    for (std::string_view word = cut_word(rest); !word.empty(); word = cut_word(rest)) found.push_back(word);
  }
  return found;
}

// synset_offset lex_filenum ss_type w_cnt word lex_id [word lex_id...] ...; w_cnt in hexadecimal.
std::vector<std::string_view> WordNet::words(std::size_t part, int synset) const {
  const std::string_view data = data_[part];
  const std::string& where = data_where_[part];
  if (static_cast<std::size_t>(synset) >= data.size())
    throw damaged(where, fmt::format("has no synset at {}.", synset));
  std::string_view rest = data.substr(static_cast<std::size_t>(synset));
  std::string_view line;
  cut_line(rest, line);
  if (const int here = dictionary_number(cut_word(line), where); here != synset)
    throw damaged(where, fmt::format("has synset {} where {} should stand.", here, synset));
  cut_word(line);
  cut_word(line);
  std::vector<std::string_view> found;
  for (int n = dictionary_number(cut_word(line), where, 16); n > 0; --n) {
    std::string_view word = cut_word(line);
    if (word.empty()) throw damaged(where, fmt::format("the line of synset {} is too short.", synset));
    cut_word(line);
    if (word.ends_with(')')) word = word.substr(0, word.find('('));
    found.push_back(word);
  }
  return found;
}

}  // namespace cp
