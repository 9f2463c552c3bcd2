#include "metrics/evaluate_captions.h"

#include <algorithm>
#include <functional>

#include "metrics/caption_sums.h"
#include "metrics/ratio.h"
#include "metrics/score_block.h"

namespace cp {
namespace {

enum class Half { all, changed, unchanged };
constexpr const char* kHalfNames[] = {"all", "changed", "unchanged"};

const std::vector<std::string> kKeys{"bleu1", "bleu2", "bleu3", "bleu4", "meteor", "rouge_l", "cider", "s_m"};

// Pairs of a half that have references.
std::vector<std::size_t> pairs_of(const std::vector<Truth>& truths, Half half) {
  std::vector<std::size_t> indices;
  for (std::size_t i = 0; i < truths.size(); ++i) {
    const bool changed = truths[i].changeflag == 1;
    if (!truths[i].captions.empty() && (half == Half::all || changed == (half == Half::changed))) indices.push_back(i);
  }
  return indices;
}

// CIDEr weighs an n-gram by the log of how few pairs' references hold it.
bool has_cider(const std::vector<std::vector<std::string>>& references) {
  const auto sorted = [](std::vector<std::string> sentences) {
    std::sort(sentences.begin(), sentences.end());
    sentences.erase(std::unique(sentences.begin(), sentences.end()), sentences.end());
    return sentences;
  };
  if (references.empty()) return false;
  const std::vector<std::string> first = sorted(references.front());
  return std::any_of(references.begin(), references.end(),
                     [&](const std::vector<std::string>& other) { return sorted(other) != first; });
}

std::vector<double> flat(const CaptionScores& s, bool cider) {
  return {s.bleu[0],
          s.bleu[1],
          s.bleu[2],
          s.bleu[3],
          s.meteor,
          s.rouge_l,
          cider ? s.cider : kNotMeasured,
          cider ? s.s_m() : kNotMeasured};
}

PairScores::Caption alone(const ImageSums& image, bool cider) {
  return {image.bleu.coco()[3], image.meteor.score(), image.rouge_l, cider ? image.cider : kNotMeasured};
}

}  // namespace

void add_captions(OrderedJson& report, const std::vector<Truth>& truths, const std::vector<Predicted>& predictions,
                  const EvaluateOptions& options, std::vector<PairScores>& pairs) {
  for (const CaptionSplitter& protocol : options.protocols) {
    const BlindSentences blind =
        protocol.protocol() == CaptionProtocol::char_ ? blind_sentences(protocol.protocol()) : options.blind;
    const bool first = &protocol == &options.protocols.front();
    const MeteorOptions meteor = protocol.protocol() == CaptionProtocol::text ? options.meteor : MeteorOptions{};
    for (const Half half : {Half::all, Half::changed, Half::unchanged}) {
      const std::vector<std::size_t> chosen = pairs_of(truths, half);
      std::vector<std::vector<std::string>> references;
      for (const std::size_t i : chosen) references.push_back(truths[i].captions);
      const bool cider = has_cider(references);
      const auto sums = [&](const std::function<std::string(std::size_t)>& caption) {
        std::vector<std::string> captions;
        for (const std::size_t i : chosen) captions.push_back(caption(i));
        return sum_captions(references, captions, protocol, meteor);
      };
      const CaptionSums said = sums([&](std::size_t i) { return predictions[i].caption; });
      const CaptionSums constant =
          sums([&](std::size_t) { return half == Half::changed ? blind.changed : blind.constant; });
      const CaptionSums by_flag =
          sums([&](std::size_t i) { return predictions[i].a == 1 ? blind.changed : blind.constant; });
      if (first && half == Half::all)
        for (std::size_t k = 0; k < chosen.size(); ++k) pairs[chosen[k]].caption = alone(said.images[k], cider);

      const std::string place = caption_protocol_name(protocol.protocol()) + "." + kHalfNames[static_cast<int>(half)];
      const auto system = [&](const std::string& under, const std::string& delta, const CaptionSums& of) {
        return ScoredSystem{under + "." + place, delta,
                            [&of, cider](Picks picks) { return flat(total(of, picks), cider); }};
      };
      for (const char* under : {"caption", "blind.caption", "blind.caption_flag"})
        at_place(report, under + ("." + place))["n"] = chosen.size();
      add_block(report, chosen.size(), kKeys,
                {system("caption", "", said), system("blind.caption", "blind", constant),
                 system("blind.caption_flag", "caption_flag", by_flag)},
                options.bootstrap);
    }
  }
}

}  // namespace cp
