#pragma once
// In:  words in lower case.
// Out: the words that METEOR 1.5 makes of them with "-norm" for English.
// Not here: upper case (METEOR looks at it to tell abbreviations from ends of sentences; ours is gone by then).

#include <string>
#include <vector>

namespace cp {

// Parts hyphenated words ("lower-left" -> "lower left"), splits off punctuation and clitics ("road's" -> "road 's"),
// makes quotes and dashes alike. A full stop stays with its word when the next word begins with a letter a to z or the
// word is one of METEOR's abbreviations. pycocoevalcap runs METEOR so.
std::vector<std::string> meteor_normalize(const std::vector<std::string>& words);

}  // namespace cp
