#include "report/pair_scores.h"

#include <cmath>

namespace cp {
namespace {

std::optional<double> own(const ReportedPair& pair, const char* key) {
  const auto found = pair.scores.find(key);
  return pair.changeflag == 1 && found != pair.scores.end() ? std::optional(found->second) : std::nullopt;
}
std::optional<double> hit(const ReportedPair& pair, bool ReportedPair::Hits::*which) {
  return pair.hits ? std::optional(pair.hits.value().*which ? 1.0 : 0.0) : std::nullopt;
}
// Mean over the two coordinates of |error|^power, on fractions of the extent, where the point is judged.
std::optional<double> error(const ReportedPair& pair, int power) {
  if (!pair.hits || !pair.point || !pair.target) return std::nullopt;
  const double dx = std::fabs(pair.point->x - pair.target->x), dy = std::fabs(pair.point->y - pair.target->y);
  return (power == 2 ? dx * dx + dy * dy : dx + dy) / 2;
}

constexpr PairScore kScores[] = {
    {"flag is right", "变化判断正确", 3, false,
     [](const ReportedPair& p) { return std::optional(p.right_flag() ? 1.0 : 0.0); }, "flag.accuracy"},
    {"Brier score of the flag", "变化判断的 Brier 得分", 3, true,
     [](const ReportedPair& p) {
       return p.p_zoom ? std::optional((*p.p_zoom - p.changeflag) * (*p.p_zoom - p.changeflag)) : std::nullopt;
     },
     "flag.brier"},
    {"CIDEr, changed half", "CIDEr，有变化的一半", 3, false, [](const ReportedPair& p) { return own(p, "cider"); },
     "caption.text.changed.cider"},
    {"ROUGE-L, changed half", "ROUGE-L，有变化的一半", 3, false,
     [](const ReportedPair& p) { return own(p, "rouge_l"); }, "caption.text.changed.rouge_l"},
    {"METEOR of single pairs, changed half", "单对 METEOR，有变化的一半", 3, false,
     [](const ReportedPair& p) { return own(p, "meteor"); }, ""},
    {"BLEU-4 of single pairs, changed half", "单对 BLEU-4，有变化的一半", 3, false,
     [](const ReportedPair& p) { return own(p, "bleu4"); }, ""},
    {"point on changed ground", "目标点落在变化区域上", 3, false,
     [](const ReportedPair& p) { return hit(p, &ReportedPair::Hits::mask); }, "action.sr_mask"},
    {"point in the largest change's box", "目标点落在最大变化的框内", 3, false,
     [](const ReportedPair& p) { return hit(p, &ReportedPair::Hits::largest); }, "action.sr_largest"},
    {"distance to the target, px", "与目标的距离（像素）", 1, true, [](const ReportedPair& p) { return p.error_px; },
     ""},
    {"point in any change's box", "目标点落在任一变化的框内", 3, false,
     [](const ReportedPair& p) { return hit(p, &ReportedPair::Hits::any); }, "action.sr_any"},
    {"point in the box round all changes", "目标点落在全部变化的外框内", 3, false,
     [](const ReportedPair& p) { return hit(p, &ReportedPair::Hits::union_box); }, "action.sr_union"},
    {"squared error of the point", "目标点的平方误差", 3, true, [](const ReportedPair& p) { return error(p, 2); },
     "action.mse"},
    {"absolute error of the point", "目标点的绝对误差", 3, true, [](const ReportedPair& p) { return error(p, 1); },
     "action.mae"},
};

}  // namespace

std::span<const PairScore> pair_scores() { return kScores; }

const PairScore* pair_score_at(std::string_view path) {
  for (const PairScore& score : kScores)
    if (!path.empty() && path == score.path) return &score;
  return nullptr;
}

}  // namespace cp
