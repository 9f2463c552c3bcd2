#pragma once
// In:  a file of captions beside a data set, one {"split", "name", "captions"} a line, and sentences for unchanged
// pairs. Out: the captions of each pair that it names. Not here: the data set's own captions (levir.h), which pairs may
// be trained on (learn/train_data.h).

#include <filesystem>
#include <map>
#include <string>
#include <utility>
#include <vector>

#include "data/levir.h"

namespace cp {

class PairCaptions {
 public:
  // Captions of `file`, and the lines of unchanged.txt in the same folder where there is one. Throws UserError(data)
  // that names the line.
  static PairCaptions read(const std::filesystem::path& file);

  // Those that the file has for the pair (same split and name); else, when the pair is unchanged, the sentences of
  // unchanged.txt; else none.
  const std::vector<std::string>& of(const PairRecord& record) const;
  std::size_t size() const { return named_.size(); }  // pairs that the file names

 private:
  std::map<std::pair<std::string, std::string>, std::vector<std::string>> named_;
  std::vector<std::string> unchanged_;
};

}  // namespace cp
