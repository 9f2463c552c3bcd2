#include "metrics/paraphrases.h"

#include <zlib.h>

#include <algorithm>
#include <memory>
#include <string_view>
#include <unordered_set>

#include <fmt/format.h>

#include "core/error.h"
#include "metrics/word_list.h"

namespace cp {
namespace {

constexpr std::size_t kMaxLine = 64 << 10;
constexpr std::uint64_t kMaxText = std::uint64_t{2} << 30;
constexpr const char* kHint = "Give METEOR's table: paraphrase-en.gz, three lines an entry.";

// Lines of a file that may be gzip.
class Lines {
 public:
  explicit Lines(const std::filesystem::path& file) : where_(file.string()), file_(gzopen(file.c_str(), "rb")) {
    std::error_code none;
    if (!file_ || !std::filesystem::is_regular_file(file, none))
      throw UserError(ErrorKind::data, where_, "cannot be read.", kHint);
    gzbuffer(file_.get(), 1 << 18);
  }

  // Valid until the next call; false at the end.
  bool next(std::string_view& line) {
    while (true) {
      const std::string_view rest(buffer_.data() + at_, end_ - at_);
      if (const std::size_t newline = rest.find('\n'); newline != rest.npos) {
        line = rest.substr(0, newline);
        at_ += newline + 1;
        return true;
      }
      if (!fill()) {
        line = {buffer_.data() + at_, end_ - at_};
        at_ = end_;
        return !line.empty();
      }
    }
  }

  UserError error(const std::string& what) const { return UserError(ErrorKind::data, where_, what, kHint); }

 private:
  bool fill() {
    if (end_ - at_ > kMaxLine) throw error(fmt::format("a line is longer than {} bytes.", kMaxLine));
    std::copy(buffer_.begin() + static_cast<std::ptrdiff_t>(at_), buffer_.begin() + static_cast<std::ptrdiff_t>(end_),
              buffer_.begin());
    end_ -= at_;
    at_ = 0;
    const int got = gzread(file_.get(), buffer_.data() + end_, static_cast<unsigned>(buffer_.size() - end_));
    if (got < 0) throw error("is damaged (gzip).");
    if (got == 0) {
      int status = Z_OK;
      gzerror(file_.get(), &status);
      if (status != Z_OK && status != Z_STREAM_END) throw error("is cut off (gzip).");
      return false;
    }
    end_ += static_cast<std::size_t>(got);
    total_ += static_cast<std::uint64_t>(got);
    if (total_ > kMaxText) throw error(fmt::format("holds more than {} bytes of text.", kMaxText));
    return true;
  }

  struct Close {
    void operator()(gzFile_s* file) const { gzclose(file); }
  };
  std::string where_;
  std::unique_ptr<gzFile_s, Close> file_;
  std::vector<char> buffer_ = std::vector<char>(1 << 20);
  std::size_t at_ = 0, end_ = 0;
  std::uint64_t total_ = 0;
};

struct ViewHash : std::hash<std::string_view> {
  using is_transparent = void;
};

}  // namespace

// Turns lines into word numbers, stopping at the first word that is not wanted.
class ParaphraseReader {
 public:
  ParaphraseReader(ParaphraseTable& table, const std::vector<std::string>& vocabulary)
      : table_(table), wanted_(vocabulary.begin(), vocabulary.end()) {}

  void read(const std::filesystem::path& file) {
    Lines lines(file);
    std::string_view line;
    std::vector<std::string> phrase, paraphrase;
    while (lines.next(line)) {
      if (!lines.next(line)) throw lines.error("ends inside an entry.");
      const bool keep = words(line, phrase);
      if (!lines.next(line)) throw lines.error("ends inside an entry.");
      if (keep && words(line, paraphrase)) table_.add(numbers(phrase), numbers(paraphrase));
    }
  }

 private:
  bool words(std::string_view line, std::vector<std::string>& found) const {
    found.clear();
    for (std::string_view word = cut_word(line); !word.empty(); word = cut_word(line)) {
      if (!wanted_.empty() && !wanted_.contains(word)) return false;
      found.emplace_back(word);
    }
    return !found.empty();
  }

  std::vector<int> numbers(const std::vector<std::string>& found) {
    std::vector<int> result;
    for (const std::string& word : found)
      result.push_back(table_.numbers_.try_emplace(word, static_cast<int>(table_.numbers_.size())).first->second);
    return result;
  }

  ParaphraseTable& table_;
  std::unordered_set<std::string, ViewHash, std::equal_to<>> wanted_;
};

ParaphraseTable ParaphraseTable::read(const std::filesystem::path& file, const std::vector<std::string>& vocabulary) {
  ParaphraseTable table;
  ParaphraseReader(table, vocabulary).read(file);
  return table;
}

int ParaphraseTable::number(const std::string& word) const {
  const auto found = numbers_.find(word);
  return found == numbers_.end() ? kUnknown : found->second;
}

int ParaphraseTable::child(int node, int word) const {
  const auto found = children_.find(static_cast<std::uint64_t>(node) << 32 | static_cast<std::uint32_t>(word));
  return found == children_.end() ? kUnknown : found->second;
}

void ParaphraseTable::add(const std::vector<int>& phrase, std::vector<int> paraphrase) {
  int node = 0;
  for (const int word : phrase) {
    const std::uint64_t key = static_cast<std::uint64_t>(node) << 32 | static_cast<std::uint32_t>(word);
    const auto [edge, is_new] = children_.try_emplace(key, static_cast<int>(entries_.size()));
    if (is_new) entries_.emplace_back();
    node = edge->second;
  }
  entries_[static_cast<std::size_t>(node)].push_back(static_cast<int>(paraphrases_.size()));
  paraphrases_.push_back(std::move(paraphrase));
}

std::vector<ParaphraseTable::Entry> ParaphraseTable::at(std::span<const int> words, std::size_t start) const {
  std::vector<Entry> found;
  int node = 0;
  for (std::size_t i = start; i < words.size(); ++i) {
    node = child(node, words[i]);
    if (node == kUnknown) break;
    for (const int entry : entries_[static_cast<std::size_t>(node)])
      found.push_back({static_cast<int>(i - start) + 1, &paraphrases_[static_cast<std::size_t>(entry)]});
  }
  return found;
}

}  // namespace cp
