#include "metrics/caption_report.h"

#include <algorithm>
#include <functional>
#include <set>

#include <fmt/format.h>

#include "core/error.h"

namespace cp {
namespace {

constexpr std::array<const char*, 9> kScores{"bleu1",   "bleu2", "bleu3",       "bleu4", "meteor",
                                             "rouge_l", "cider", "cider_plain", "s_m"};
constexpr std::array<const char*, 3> kHalves{"all", "changed", "unchanged"};

// Everything in words, split once.
struct Words {
  std::vector<std::vector<CaptionWords>> references;
  std::vector<CaptionWords> captions;
  CaptionWords constant, changed;
  std::set<std::string> vocabulary;

  Words(const std::vector<std::vector<std::string>>& reference_texts, const std::vector<std::string>& caption_texts,
        const CaptionSplitter& splitter, const CaptionReportOptions& options) {
    const auto split = [&](const std::string& sentence) {
      CaptionWords words = splitter.words(sentence);
      const CaptionWords aligned = meteor_words(options.meteor, words);
      vocabulary.insert(aligned.begin(), aligned.end());
      return words;
    };
    for (const auto& of_one : reference_texts) {
      references.emplace_back();
      for (const std::string& reference : of_one) references.back().push_back(split(reference));
    }
    for (const std::string& caption : caption_texts) captions.push_back(split(caption));
    constant = split(options.blind.constant);
    changed = split(options.blind.changed);
  }
};

// Scores of all pairs, and of the halves where flags are known. `caption(i, half)` is what is said of pair i.
Json halves_json(const Words& words, const std::vector<int>& flags, MeteorScorer& meteor,
                 const std::function<const CaptionWords&(std::size_t, const std::string&)>& caption,
                 CaptionSums* sums_of_all = nullptr) {
  Json result;
  for (const std::string half : kHalves) {
    if (half != "all" && flags.empty()) break;
    std::vector<std::vector<CaptionWords>> references;
    std::vector<CaptionWords> captions;
    for (std::size_t i = 0; i < words.captions.size(); ++i) {
      if (half != "all" && flags[i] != (half == "changed")) continue;
      references.push_back(words.references[i]);
      captions.push_back(caption(i, half));
    }
    CaptionSums sums = sum_captions(references, captions, meteor);
    result[half] = scores_json(total(sums), true);
    if (half == "all" && sums_of_all) *sums_of_all = std::move(sums);
  }
  return result;
}

Json nltk_json(const Words& words, const CaptionSums& sums, NltkMeteor& nltk) {
  double meteor = 0;
  for (std::size_t i = 0; i < words.captions.size(); ++i) meteor += nltk.score(words.references[i], words.captions[i]);
  const auto bleu = nltk_bleu(sums);
  return {{"bleu1", bleu[0]},
          {"bleu2", bleu[1]},
          {"bleu3", bleu[2]},
          {"bleu4", bleu[3]},
          {"meteor", meteor / static_cast<double>(std::max<std::size_t>(1, words.captions.size()))}};
}

}  // namespace

BlindSentences blind_sentences(CaptionProtocol protocol) {
  if (protocol == CaptionProtocol::char_) return {"场景和之前一样", "道路旁新建了一些房屋"};
  return {};
}

Json scores_json(const CaptionScores& s, bool all) {
  Json json{{"bleu1", s.bleu[0]}, {"bleu2", s.bleu[1]},   {"bleu3", s.bleu[2]}, {"bleu4", s.bleu[3]},
            {"meteor", s.meteor}, {"rouge_l", s.rouge_l}, {"cider", s.cider}};
  if (all) json.update({{"cider_plain", s.cider_plain}, {"s_m", s.s_m()}});
  return json;
}

CaptionReport report_captions(const std::vector<std::vector<std::string>>& references,
                              const std::vector<std::string>& captions, const std::vector<int>& flags,
                              const CaptionSplitter& splitter, const CaptionReportOptions& options) {
  CP_CHECK(flags.empty() || flags.size() == captions.size(), "one flag a caption");
  require_exact_for_char(splitter.protocol(), options.meteor);
  const Words words(references, captions, splitter, options);
  MeteorOptions how = options.meteor;
  how.vocabulary.assign(words.vocabulary.begin(), words.vocabulary.end());
  MeteorScorer meteor(how);

  CaptionReport report;
  report.json["n"] = captions.size();
  if (!flags.empty()) report.json["n_changed"] = std::count(flags.begin(), flags.end(), 1);
  report.json["protocol"] = caption_protocol_name(splitter.protocol());
  report.json["meteor"] = meteor_stages_text(how.stages) + (how.normalize ? ", normalised" : "");
  report.json["caption"] = halves_json(
      words, flags, meteor, [&](std::size_t i, const std::string&) -> const CaptionWords& { return words.captions[i]; },
      &report.sums);
  Json& blind = report.json["blind"];
  blind["caption"] =
      halves_json(words, flags, meteor, [&](std::size_t, const std::string& half) -> const CaptionWords& {
        return half == "changed" ? words.changed : words.constant;
      });
  if (!flags.empty())
    blind["caption_flag"] =
        halves_json(words, flags, meteor, [&](std::size_t i, const std::string&) -> const CaptionWords& {
          return flags[i] ? words.changed : words.constant;
        });
  blind["sentences"] = {{"constant", options.blind.constant}, {"changed", options.blind.changed}};
  if (options.nltk) report.json["nltk"] = nltk_json(words, report.sums, *options.nltk);
  return report;
}

std::string caption_table(const Json& report) {
  const Json& caption = report.at("caption");
  const Json& blind = report.at("blind");
  const bool halves = report.contains("n_changed");
  std::string text = fmt::format("{} pairs{}; protocol {}, METEOR {}\n", report.at("n").get<std::size_t>(),
                                 halves ? fmt::format(", {} changed", report.at("n_changed").get<int>()) : "",
                                 report.at("protocol").get<std::string>(), report.at("meteor").get<std::string>());
  text += fmt::format("{:<24}{:>8}{:>8}{}\n", "", "score", "blind", halves ? "   +flag" : "");
  for (const char* half : kHalves) {
    if (!caption.contains(half)) continue;
    for (const char* key : kScores) {
      text += fmt::format("{:<24}{:>8.4f}{:>8.4f}", fmt::format("{} {}", half, key),
                          caption.at(half).at(key).get<double>(), blind.at("caption").at(half).at(key).get<double>());
      if (halves) text += fmt::format("{:>8.4f}", blind.at("caption_flag").at(half).at(key).get<double>());
      text += "\n";
    }
  }
  if (report.contains("nltk"))
    for (const auto& [key, value] : report.at("nltk").items())
      text += fmt::format("{:<24}{:>8.4f}\n", "all nltk " + key, value.get<double>());
  text += fmt::format("blind: \"{}\" (changed half: \"{}\")\n", blind.at("sentences").at("constant").get<std::string>(),
                      blind.at("sentences").at("changed").get<std::string>());
  if (halves) text += "+flag: the true flag picks one of the two sentences\n";
  return text;
}

}  // namespace cp
