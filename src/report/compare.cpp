#include "report/compare.h"

#include <algorithm>
#include <cmath>
#include <map>

#include <fmt/format.h>

#include "report/pair_scores.h"
#include "report/sections.h"

namespace cp {
namespace {

constexpr std::size_t kGapsShown = 3;  // of each sign

constexpr const char* kCaptionScore = "caption.text.changed.cider";  // by which captions differ most

using Matches = std::vector<std::pair<const ReportedPair*, const ReportedPair*>>;

Matches match(const Validation& first, const Validation& other, Comparison& out) {
  std::map<std::string, const ReportedPair*> named;
  for (const ReportedPair& pair : other.pairs) named.emplace(pair.name, &pair);
  Matches matches;
  for (const ReportedPair& pair : first.pairs) {
    const auto found = named.find(pair.name);
    if (found == named.end()) continue;
    matches.emplace_back(&pair, found->second);
    named.erase(found);
  }
  out.common = static_cast<int>(matches.size());
  out.only_one = static_cast<int>(first.pairs.size() + other.pairs.size()) - 2 * out.common;
  return matches;
}

// NaN where either lacks the score.
double difference(const PairScore& score, const ReportedPair& first, const ReportedPair& other) {
  const auto a = score.of(first), b = score.of(other);
  return a && b ? *b - *a : NAN;
}

void find_gaps(const Validation& first, const Validation& other, const Matches& matches, Comparison& out) {
  std::vector<Comparison::Gap> all;
  for (const auto& [a, b] : matches) {
    const double d = difference(*pair_score_at(kCaptionScore), *a, *b);
    if (std::isfinite(d) && d != 0 && a->caption != b->caption)
      all.push_back(
          {static_cast<std::size_t>(a - first.pairs.data()), static_cast<std::size_t>(b - other.pairs.data()), d});
  }
  std::stable_sort(all.begin(), all.end(), [](const auto& a, const auto& b) { return a.difference > b.difference; });
  for (std::size_t i = 0; i < all.size(); ++i)
    if ((i < kGapsShown && all[i].difference > 0) || (i + kGapsShown >= all.size() && all[i].difference < 0))
      out.gaps.push_back(all[i]);
}

}  // namespace

Comparison compare(const Validation& first, const Validation& other, const BootstrapOptions& options) {
  Comparison out{first.name, other.name, 0, 0, {}, {}};
  const Matches matches = match(first, other, out);
  if (matches.empty()) return out;
  std::vector<std::vector<double>> differences;
  for (const PairScore& score : pair_scores()) {
    PairedDifference d{score.english, score.chinese, score.decimals, score.lower_is_better, 0, 0, 0, {}};
    std::vector<double> values;
    for (const auto& [a, b] : matches) {
      values.push_back(difference(score, *a, *b));
      if (!std::isfinite(values.back())) continue;
      ++d.n;
      d.first += *score.of(*a);
      d.other += *score.of(*b);
    }
    d.first /= std::max(1, d.n);
    d.other /= std::max(1, d.n);
    differences.push_back(std::move(values));
    out.scores.push_back(d);
  }
  const std::vector<Estimate> estimates = bootstrap(
      matches.size(),
      [&](Picks picks) {
        std::vector<double> means;
        for (const std::vector<double>& values : differences) {
          double sum = 0;
          int n = 0;
          for (const std::size_t i : picks)
            if (std::isfinite(values[i])) sum += values[i], ++n;
          means.push_back(n > 0 ? sum / n : NAN);
        }
        return means;
      },
      options);
  for (std::size_t i = 0; i < estimates.size(); ++i) out.scores[i].difference = estimates[i];
  find_gaps(first, other, matches, out);
  return out;
}

std::string comparison_section(const Say& say, std::span<const Validation> validations,
                               std::span<const Comparison> comparisons) {
  std::string out;
  for (std::size_t k = 0; k < comparisons.size(); ++k) {
    const Comparison& c = comparisons[k];
    const std::string first = escape_html(c.first), other = escape_html(c.other);
    out += fmt::format("<h3>{}</h3>", fmt::format(fmt::runtime(say("{} against {}, pair by pair", "{} 与 {} 逐对比较")),
                                                  other, first));
    if (c.common == 0) {
      out += fmt::format("<p class=\"missing\">{}</p>",
                         say("No pair is in both: nothing can be compared.", "没有共同的图像对，无法比较。"));
      continue;
    }
    HtmlTable table(fmt::format("{} / {}", other, first));
    table.head({say("Score, mean over pairs", "指标（按图像对平均）"), "n", first, other, say("difference", "差值")});
    for (const PairedDifference& d : c.scores) {
      if (d.n == 0) continue;
      Score difference{d.difference.value, {}, {}};
      if (d.difference.interval)
        difference.low = d.difference.interval->low, difference.high = d.difference.interval->high;
      const std::string cell = difference_cell(say, difference, {"", "", "", d.decimals, d.lower_is_better});
      table.row(say(d.english, d.chinese),
                {std::to_string(d.n), number_text(d.first, d.decimals), number_text(d.other, d.decimals), cell});
    }
    out += table.html();
    out += fmt::format(
        "<p class=\"cap\">{} {}</p>",
        fmt::format(fmt::runtime(say("{} common pairs, {} in one run only.", "共同图像对 {} 对，仅在一方的 {} 对。")),
                    c.common, c.only_one),
        say("Intervals: 95 %, bootstrap over the same pairs; coloured where zero is left out.",
            "区间：95 %，对相同图像对自助重采样；不含零时着色。"));
    if (c.gaps.empty()) continue;
    HtmlTable captions(say("Captions that differ most", "差别最大的描述"));
    captions.head({say("Captions that differ most (CIDEr of the pair)", "差别最大的描述（单对 CIDEr）"), first, other,
                   say("difference", "差值")});
    for (const Comparison::Gap& gap : c.gaps)
      captions.row(escape_html(validations[0].pairs[gap.first].name),
                   {fmt::format("<td>{}</td>", escape_html(validations[0].pairs[gap.first].caption)),
                    fmt::format("<td>{}</td>", escape_html(validations[k + 1].pairs[gap.other].caption)),
                    (gap.difference > 0 ? "+" : "") + number_text(gap.difference, 2)});
    out += "<p></p>" + captions.html();
  }
  return out;
}

}  // namespace cp
