#pragma once
// In:  captions of some system, their references, which pairs changed.
// Out: scores of all pairs and of the changed and unchanged halves, blind floors beside them; as JSON and as text.
// Not here: reading files (data/caption_files.h), the change flag and the action (evaluate.h).

#include <optional>
#include <string>
#include <vector>

#include "core/json.h"
#include "metrics/caption_sums.h"
#include "metrics/nltk_meteor.h"

namespace cp {

// What the blind floors say. The defaults were fixed before any split was scored; sentences chosen on training captions
// may be passed instead, never ones chosen on the split that is scored.
struct BlindSentences {
  std::string constant = "the scene is the same as before";
  std::string changed = "some houses are built along the road";
};

// The same two in Chinese for the protocol char, else the English ones.
BlindSentences blind_sentences(CaptionProtocol protocol);

// {"bleu1".."bleu4","meteor","rouge_l","cider"}, and with `all` also "cider_plain" and "s_m"
Json scores_json(const CaptionScores& scores, bool all = false);

struct CaptionReportOptions {
  MeteorOptions meteor;
  BlindSentences blind;
  NltkMeteor* nltk = nullptr;  // adds NLTK's BLEU and mean sentence METEOR
};

struct CaptionReport {
  // {"n","n_changed"?,"protocol","meteor","caption":{"all","changed"?,"unchanged"?},
  //  "blind":{"caption":{...},"caption_flag":{...}?,"sentences":{"constant","changed"}},"nltk"?}
  // Halves are there when flags are given; their document frequencies come from their own references. blind.caption is
  // `constant`, in the changed half `changed`; blind.caption_flag is what the TRUE flag with one of the two sentences
  // scores: what is left to captioning proper lies above it.
  Json json;
  CaptionSums sums;  // of the captions, all pairs
};

// `flags`: 1 changed, 0 not, one a caption; empty when they are not known. Sizes must agree (BugError).
CaptionReport report_captions(const std::vector<std::vector<std::string>>& references,
                              const std::vector<std::string>& captions, const std::vector<int>& flags,
                              const CaptionSplitter& splitter, const CaptionReportOptions& options = {});

// The same numbers as a table for people.
std::string caption_table(const Json& report);

}  // namespace cp
