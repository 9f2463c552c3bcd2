#include "metrics/evaluate.h"

#include <algorithm>
#include <functional>

#include <fmt/format.h>

#include "core/error.h"
#include "metrics/action.h"
#include "metrics/caption.h"

namespace cp {
namespace {

using Truths = std::vector<Truth>;

bool is_contradictory(const Truth& truth) {
  return flag_against_mask(truth.changeflag, truth.components.empty()) == Agreement::contradicts;
}

Json flag_json(const Truths& truths, const std::function<int(std::size_t)>& predicted) {
  int right = 0, true_positive = 0, positive = 0;  // `positive`: predicted plus true ones
  for (std::size_t i = 0; i < truths.size(); ++i) {
    const int flag = predicted(i);
    right += flag == truths[i].changeflag;
    true_positive += flag == 1 && truths[i].changeflag == 1;
    positive += (flag == 1) + (truths[i].changeflag == 1);
  }
  return {{"accuracy", right / static_cast<double>(std::max<std::size_t>(1, truths.size()))},
          {"f1", 2.0 * true_positive / std::max(1, positive)}};
}

// `caption(i, changed_half)` is what is said of pair i.
Json caption_json(const Truths& truths, const std::function<std::string(std::size_t, bool)>& caption) {
  Json result;
  for (const bool changed_half : {false, true}) {
    std::vector<std::vector<std::string>> references;
    std::vector<std::string> captions;
    for (std::size_t i = 0; i < truths.size(); ++i) {
      if (changed_half && truths[i].changeflag != 1) continue;
      references.push_back(truths[i].captions);
      captions.push_back(caption(i, changed_half));
    }
    result[changed_half ? "changed" : "all"] = scores_json(score_captions(references, captions));
  }
  return result;
}

Json action_json(const Truths& truths, Target target, const std::function<Predicted(std::size_t)>& predicted) {
  ActionTally tally;
  for (std::size_t i = 0; i < truths.size(); ++i) {
    const Truth& truth = truths[i];
    if (is_contradictory(truth)) continue;
    const Predicted p = predicted(i);
    tally.add_type(p.a, truth.changeflag);
    const ActionTarget wanted = make_action_target(truth.mask, truth.components, target, truth.changeflag);
    if (!wanted.has_point) continue;
    tally.add_point(point_hits(truth.mask, truth.components, {p.x, p.y}), {p.x, p.y}, {wanted.x, wanted.y});
  }
  const ActionScores s = tally.scores();
  return {{"n", s.n},
          {"sr_mask", s.sr_mask},
          {"sr_largest", s.sr_largest},
          {"sr_union", s.sr_union},
          {"sr_any", s.sr_any},
          {"mse", s.mse},
          {"mae", s.mae},
          {"n_type", s.n_type},
          {"type_accuracy", s.type_accuracy}};
}

}  // namespace

Json evaluate(const std::vector<Truth>& truths, const std::vector<Predicted>& predictions, Target target,
              const BlindSentences& blind) {
  CP_CHECK(truths.size() == predictions.size(),
           fmt::format("{} truths for {} predictions", truths.size(), predictions.size()));
  for (std::size_t i = 0; i < truths.size(); ++i)
    CP_CHECK(truths[i].name == predictions[i].name,
             fmt::format("pair {} is \"{}\" and \"{}\"", i, truths[i].name, predictions[i].name));

  const auto changed = std::count_if(truths.begin(), truths.end(), [](const Truth& t) { return t.changeflag == 1; });
  const int majority = 2 * static_cast<std::size_t>(changed) >= truths.size();
  const auto said = [&](std::size_t i, bool) { return predictions[i].caption; };
  const auto constant = [&](std::size_t, bool changed_half) { return changed_half ? blind.changed : blind.constant; };
  const auto by_flag = [&](std::size_t i, bool) { return predictions[i].a == 1 ? blind.changed : blind.constant; };

  Json report;
  report["n"] = truths.size();
  report["contradictory"] = std::count_if(truths.begin(), truths.end(), is_contradictory);
  report["flag"] = flag_json(truths, [&](std::size_t i) { return predictions[i].a; });
  report["caption"] = caption_json(truths, said);
  report["action"] = action_json(truths, target, [&](std::size_t i) { return predictions[i]; });
  Json& floor = report["blind"];
  floor["n"] = truths.size();
  floor["flag"] = flag_json(truths, [&](std::size_t) { return majority; });
  floor["caption"] = caption_json(truths, constant);
  floor["caption_flag"] = caption_json(truths, by_flag);
  floor["action"] = action_json(truths, target, [](std::size_t) { return Predicted{.x = 0.5, .y = 0.5, .a = 1}; });
  floor["sentences"] = {{"constant", blind.constant}, {"changed", blind.changed}};
  return report;
}

std::string evaluation_table(const Json& report) {
  std::string text;
  const Json& floor = report.at("blind");
  const auto cell = [](const Json& value) { return fmt::format("{:.3f}", value.get<double>()); };
  const auto row = [&](const std::string& name, const std::string& model, const std::string& blind,
                       const std::string& with_flag) {
    std::string line = fmt::format("{:<24}{:>8}{:>8}{:>8}", name, model, blind, with_flag);
    line.erase(line.find_last_not_of(' ') + 1);
    text += line + "\n";
  };
  row(fmt::format("{} pairs", report.at("n").get<int>()), "model", "blind", "+flag");
  for (const char* key : {"accuracy", "f1"})
    row(fmt::format("flag {}", key), cell(report.at("flag").at(key)), cell(floor.at("flag").at(key)), "");
  for (const char* half : {"all", "changed"})
    for (const char* key : {"bleu1", "bleu2", "bleu3", "bleu4", "meteor", "rouge_l", "cider"})
      row(fmt::format("caption {} {}", half, key), cell(report.at("caption").at(half).at(key)),
          cell(floor.at("caption").at(half).at(key)), cell(floor.at("caption_flag").at(half).at(key)));
  for (const char* key : {"sr_mask", "sr_largest", "sr_union", "sr_any", "mse", "mae", "type_accuracy"})
    row(fmt::format("action {}", key), cell(report.at("action").at(key)), cell(floor.at("action").at(key)), "");
  text += fmt::format("points of {} changed pairs; {} pairs whose mask contradicts their flag left out of the action\n",
                      report.at("action").at("n").get<int>(), report.at("contradictory").get<int>());
  text += fmt::format("blind: majority flag; \"{}\" (all) or \"{}\" (changed half); centre point, always zoom\n",
                      floor.at("sentences").at("constant").get<std::string>(),
                      floor.at("sentences").at("changed").get<std::string>());
  text += "+flag: the model's flag picks one of the two sentences\n";
  return text;
}

}  // namespace cp
