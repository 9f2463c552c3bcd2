#include "text/bpe_trainer.h"

#include <algorithm>
#include <map>
#include <queue>
#include <set>
#include <unordered_map>

#include <fmt/format.h>

#include "core/json.h"
#include "text/pre_tokenizer.h"
#include "text/unicode.h"

namespace cp {
namespace {

using Pair = std::pair<int, int>;

struct Word {
  std::vector<int> ids;
  std::int64_t count = 0;
};

// A pair that waits for its merge. `count` may be out of date; it is refreshed when the entry comes to the top. `words`
// are those in which the pair appeared when the entry was made; a pair may have several entries.
struct Entry {
  std::int64_t count = 0;
  Pair pair;
  std::vector<int> words;

  bool operator<(const Entry& other) const {  // the most frequent pair on top, of equals the smaller ids
    return count != other.count ? count < other.count : pair > other.pair;
  }
};

class Trainer {
 public:
  Trainer(const std::vector<std::string>& texts, int min_frequency) : min_frequency_(min_frequency) {
    for (const std::uint8_t byte : byte_alphabet()) {
      id_of_byte_[byte] = static_cast<int>(tokens_.size());
      add_token(byte_character(byte));
    }
    read_words(texts);
    count_pairs();
  }

  void grow_to(std::size_t size) {
    while (tokens_.size() < size && !queue_.empty()) {
      Entry best = queue_.top();
      queue_.pop();
      const std::int64_t now = std::max<std::int64_t>(counts_[best.pair], 0);
      if (best.count != now) {
        best.count = now;
        queue_.push(std::move(best));
        continue;
      }
      if (best.count < std::max(min_frequency_, 1)) break;
      merge(best);
    }
  }

  const std::vector<std::string>& tokens() const { return tokens_; }

  // In order. Two merges can make the same token, and its pairs can come up again: then the later turn counts.
  std::vector<Pair> merges() const {
    std::map<Pair, std::size_t> last;
    for (std::size_t i = 0; i < merges_.size(); ++i) last[merges_[i]] = i;
    std::vector<Pair> kept;
    for (std::size_t i = 0; i < merges_.size(); ++i)
      if (last[merges_[i]] == i) kept.push_back(merges_[i]);
    return kept;
  }

 private:
  int add_token(const std::string& token) {
    const auto [found, is_new] = id_of_.emplace(token, static_cast<int>(tokens_.size()));
    if (is_new) tokens_.push_back(token);
    return found->second;
  }

  void read_words(const std::vector<std::string>& texts) {
    std::map<std::string, std::int64_t, std::less<>> frequency;
    for (const std::string& text : texts) {
      const std::string normal = nfc(text);
      for (const std::string_view piece : split_text(normal, Split::qwen2)) {
        const auto found = frequency.find(piece);
        if (found == frequency.end())
          frequency.emplace(piece, 1);
        else
          ++found->second;
      }
    }
    for (const auto& [piece, count] : frequency) {
      Word word;
      word.count = count;
      for (const char byte : piece) word.ids.push_back(id_of_byte_[static_cast<std::uint8_t>(byte)]);
      words_.push_back(std::move(word));
    }
  }

  void count_pairs() {
    for (std::size_t w = 0; w < words_.size(); ++w)
      for (std::size_t i = 1; i < words_[w].ids.size(); ++i)
        change({words_[w].ids[i - 1], words_[w].ids[i]}, words_[w].count, static_cast<int>(w));
    queue_new_pairs();
  }

  void change(Pair pair, std::int64_t count, int word) {
    counts_[pair] += count;
    if (count > 0) new_pairs_[pair].insert(word);
  }

  void queue_new_pairs() {
    for (const auto& [pair, words] : new_pairs_)
      if (counts_[pair] > 0) queue_.push({counts_[pair], pair, {words.begin(), words.end()}});
    new_pairs_.clear();
  }

  void merge(const Entry& entry) {
    const auto [left, right] = entry.pair;
    const int merged = add_token(tokens_[static_cast<std::size_t>(left)] + tokens_[static_cast<std::size_t>(right)]);
    merges_.push_back(entry.pair);
    for (const int w : entry.words) merge_in(w, entry.pair, merged);
    queue_new_pairs();
  }

  // Replaces the pair from left to right and books what its neighbours lose and gain. The pair's own count stays: its
  // entry has left the queue.
  void merge_in(int w, Pair pair, int merged) {
    Word& word = words_[static_cast<std::size_t>(w)];
    std::vector<int> out;
    for (std::size_t i = 0; i < word.ids.size(); ++i) {
      const bool found = word.ids[i] == pair.first && i + 1 < word.ids.size() && word.ids[i + 1] == pair.second;
      if (!found) {
        out.push_back(word.ids[i]);
        continue;
      }
      if (!out.empty()) {
        change({out.back(), pair.first}, -word.count, w);
        change({out.back(), merged}, word.count, w);
      }
      if (i + 2 < word.ids.size()) {
        change({pair.second, word.ids[i + 2]}, -word.count, w);
        change({merged, word.ids[i + 2]}, word.count, w);
      }
      out.push_back(merged);
      ++i;
    }
    word.ids = std::move(out);
  }

  int min_frequency_;
  int id_of_byte_[256] = {};
  std::vector<std::string> tokens_;  // by id, in byte characters
  std::unordered_map<std::string, int> id_of_;
  std::vector<Word> words_;
  std::map<Pair, std::int64_t> counts_;
  std::map<Pair, std::set<int>> new_pairs_;  // pairs that the last step made, and in which words
  std::priority_queue<Entry> queue_;
  std::vector<Pair> merges_;
};

OrderedJson byte_level() {
  return {{"type", "ByteLevel"}, {"add_prefix_space", false}, {"trim_offsets", true}, {"use_regex", false}};
}

OrderedJson added_token(int id, const std::string& text) {
  return {{"id", id},        {"content", text},     {"single_word", false}, {"lstrip", false},
          {"rstrip", false}, {"normalized", false}, {"special", true}};
}

}  // namespace

std::string train_bpe(const std::vector<std::string>& texts, const BpeTrainerOptions& options) {
  const auto added = options.added_tokens.size();
  if (options.vocabulary_size < 0 || static_cast<std::size_t>(options.vocabulary_size) < 256 + added)
    throw UserError(ErrorKind::usage, "vocabulary size",
                    fmt::format("wanted at least {} (256 bytes and the added tokens), found {}.", 256 + added,
                                options.vocabulary_size),
                    "");
  Trainer trainer(texts, options.min_frequency);
  trainer.grow_to(static_cast<std::size_t>(options.vocabulary_size) - added);

  OrderedJson vocabulary = OrderedJson::object(), merges = OrderedJson::array(), added_tokens = OrderedJson::array();
  const std::vector<std::string>& tokens = trainer.tokens();
  for (std::size_t id = 0; id < tokens.size(); ++id) vocabulary.push_back({tokens[id], id});
  for (const auto& [left, right] : trainer.merges())
    merges.push_back({tokens[static_cast<std::size_t>(left)], tokens[static_cast<std::size_t>(right)]});
  for (std::size_t i = 0; i < added; ++i)
    added_tokens.push_back(added_token(static_cast<int>(tokens.size() + i), options.added_tokens[i]));

  OrderedJson json;
  json["version"] = "1.0";
  json["truncation"] = nullptr;
  json["padding"] = nullptr;
  json["added_tokens"] = added_tokens;
  json["normalizer"] = {{"type", "NFC"}};
  const OrderedJson split = {
      {"type", "Split"}, {"pattern", {{"Regex", kQwen2Pattern}}}, {"behavior", "Isolated"}, {"invert", false}};
  json["pre_tokenizer"] = {{"type", "Sequence"}, {"pretokenizers", OrderedJson::array({split, byte_level()})}};
  json["post_processor"] = nullptr;
  json["decoder"] = byte_level();
  json["model"] = {{"type", "BPE"},
                   {"dropout", nullptr},
                   {"unk_token", nullptr},
                   {"continuing_subword_prefix", nullptr},
                   {"end_of_word_suffix", nullptr},
                   {"fuse_unk", false},
                   {"byte_fallback", false},
                   {"ignore_merges", false},
                   {"vocab", vocabulary},
                   {"merges", merges}};
  return json.dump(1) + "\n";
}

}  // namespace cp
