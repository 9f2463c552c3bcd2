#include "report/cases.h"

#include <algorithm>
#include <cmath>
#include <set>

#include "image/read.h"
#include "image/resample.h"
#include "runtime/region.h"

namespace cp {
namespace {

namespace fs = std::filesystem;

constexpr int kPictureSide = 256;  // px
constexpr int kTruthSide = 128;    // cells of the grid that a mask's outline is walked on
constexpr double kSamePlace = 0.002;

double cider(const ReportedPair& pair) {
  const auto found = pair.scores.find("cider");
  return found == pair.scores.end() ? -1 : found->second;
}

bool hits_mask(const ReportedPair& pair) { return pair.hits && pair.hits->mask; }

// Below `data`, or empty.
fs::path inside(const fs::path& data, const std::string& name) {
  const fs::path relative = fs::path(name).lexically_normal();
  if (name.empty() || relative.is_absolute() || *relative.begin() == "..") return {};
  return data / relative;
}

Image small(const Image& image) {
  const double scale = static_cast<double>(kPictureSide) / std::max(image.width, image.height);
  if (scale >= 1) return image;
  return resize(image, std::max(1, static_cast<int>(std::lround(image.width * scale))),
                std::max(1, static_cast<int>(std::lround(image.height * scale))), Filter::bicubic);
}

// A cell belongs to the change when a pixel of it does.
std::vector<std::vector<Point>> truth_of(const Image& mask) {
  std::set<int> cells;
  for (int y = 0; y < mask.height; ++y)
    for (int x = 0; x < mask.width; ++x)
      if (*mask.at(x, y) > 0)
        cells.insert(static_cast<int>(static_cast<long long>(y) * kTruthSide / mask.height) * kTruthSide +
                     static_cast<int>(static_cast<long long>(x) * kTruthSide / mask.width));
  return outlines({cells.begin(), cells.end()}, kTruthSide);
}

std::vector<Point> fractions(std::span<const float> samples) {
  std::vector<Point> out;
  for (std::size_t i = 0; i + 2 < samples.size(); i += 3) {
    const auto place = [](float v) { return std::clamp((static_cast<double>(v) + 1) / 2, 0.0, 1.0); };
    out.push_back({place(samples[i]), place(samples[i + 1])});
  }
  return out;
}

}  // namespace

std::vector<CaseStudy> choose_cases(std::span<const ReportedPair> pairs, std::size_t count) {
  std::vector<const ReportedPair*> changed, alarms;
  for (const ReportedPair& pair : pairs) {
    if (pair.contradictory) continue;
    if (pair.changeflag == 1 && pair.target) changed.push_back(&pair);
    if (pair.changeflag == 0 && pair.a == 1) alarms.push_back(&pair);
  }
  std::vector<CaseStudy> cases;
  std::set<const ReportedPair*> taken;
  const auto take = [&](CaseKind kind, std::vector<const ReportedPair*> ranked) {
    std::size_t left = count;
    for (const ReportedPair* pair : ranked)
      if (left > 0 && taken.insert(pair).second) cases.push_back({kind, *pair, {}, {}, {}, {}}), --left;
  };
  const auto sorted = [](std::vector<const ReportedPair*> list, auto before) {
    std::stable_sort(list.begin(), list.end(), before);
    return list;
  };
  std::vector<const ReportedPair*> good, bad;
  for (const ReportedPair* pair : changed) (pair->right_flag() && hits_mask(*pair) ? good : bad).push_back(pair);
  take(CaseKind::success, sorted(good, [](auto* a, auto* b) { return cider(*a) > cider(*b); }));
  take(CaseKind::failure, sorted(bad, [](auto* a, auto* b) {
         if (a->right_flag() != b->right_flag()) return b->right_flag();
         return a->error_px.value_or(0) > b->error_px.value_or(0);
       }));
  if (!changed.empty()) {
    const auto by_score = sorted(changed, [](auto* a, auto* b) { return cider(*a) > cider(*b); });
    const double median = cider(*by_score[by_score.size() / 2]);
    take(CaseKind::typical, sorted(changed, [&](auto* a, auto* b) {
           return std::fabs(cider(*a) - median) < std::fabs(cider(*b) - median);
         }));
  }
  take(CaseKind::false_alarm,
       sorted(alarms, [](auto* a, auto* b) { return a->p_zoom.value_or(0) > b->p_zoom.value_or(0); }));
  return cases;
}

void load_images(const fs::path& data, std::vector<CaseStudy>& cases) {
  for (CaseStudy& study : cases) {
    const fs::path before = inside(data, study.pair.before), after = inside(data, study.pair.after);
    if (before.empty() || after.empty()) continue;
    try {
      const Image first = read_rgb(before), second = read_rgb(after);
      if (first.width != second.width || first.height != second.height) continue;
      study.before = small(first);
      study.after = small(second);
      if (const fs::path label = inside(data, study.pair.label); !label.empty() && fs::exists(label))
        study.truth = truth_of(read_mask(label));
    } catch (const UserError&) {
      study.before = study.after = Image();  // the page says that it has no picture
    }
  }
}

int load_steps(const Session& session, const fs::path& data, const Json& metrics, std::vector<CaseStudy>& cases) {
  AnswerOptions options;
  options.instruction = find_text(metrics, "run.instruction");
  options.num_samples = static_cast<int>(std::clamp(find_number(metrics, "run.num_samples").value_or(0), 0.0, 4096.0));
  options.seed = static_cast<std::uint64_t>(std::clamp(find_number(metrics, "run.seed").value_or(0), 0.0, 9e15));
  int others = 0;
  for (CaseStudy& study : cases) {
    if (study.after.pixels.empty() || !study.pair.point) continue;
    Trace trace;
    const Answer answer = session.answer(read_rgb(inside(data, study.pair.before)),
                                         read_rgb(inside(data, study.pair.after)), options, &trace);
    if (std::fabs(answer.action.x - study.pair.point->x) > kSamePlace ||
        std::fabs(answer.action.y - study.pair.point->y) > kSamePlace) {
      ++others;
      continue;
    }
    study.steps.push_back(fractions(trace.noise));
    for (const std::vector<float>& step : trace.steps) study.steps.push_back(fractions(step));
  }
  return others;
}

}  // namespace cp
