#pragma once
// In:  METEOR's paraphrase table.
// Out: which phrases may stand for which.
// Not here: matching two sentences (meteor.cpp).

#include <cstdint>
#include <filesystem>
#include <span>
#include <string>
#include <unordered_map>
#include <vector>

namespace cp {

class ParaphraseTable {
 public:
  static constexpr int kUnknown = -1;

  // The format of paraphrase-en.gz: three lines an entry (probability, phrase, paraphrase), gzip or plain, at most 2
  // GiB of text and 64 KiB a line. Entries with a word outside `vocabulary` are left out (they could match nothing); an
  // empty vocabulary keeps all, which takes over a gigabyte for the English table. Throws UserError(data).
  static ParaphraseTable read(const std::filesystem::path& file, const std::vector<std::string>& vocabulary);

  int number(const std::string& word) const;  // kUnknown when no entry holds it
  std::size_t size() const { return paraphrases_.size(); }

  struct Entry {
    int length = 0;                                // words of the phrase
    const std::vector<int>* paraphrase = nullptr;  // word numbers
  };
  // Entries whose phrase stands at `start`: shorter phrases first, then in the order of the file.
  std::vector<Entry> at(std::span<const int> words, std::size_t start) const;

 private:
  int child(int node, int word) const;
  void add(const std::vector<int>& phrase, std::vector<int> paraphrase);
  friend class ParaphraseReader;

  std::unordered_map<std::string, int> numbers_;
  std::unordered_map<std::uint64_t, int> children_;  // (node, word) -> node; node 0 is the root
  std::vector<std::vector<int>> entries_{1};         // of each node, indices of paraphrases
  std::vector<std::vector<int>> paraphrases_;
};

}  // namespace cp
