// Case studies: pictures with truth, answer, region and samples, and the samples' way from noise as a slider.

#include <algorithm>
#include <cmath>

#include <fmt/format.h>

#include "image/write.h"
#include "report/sections.h"

namespace cp {
namespace {

constexpr int kQuality = 82;                                // JPEG
constexpr std::size_t kImageBudget = std::size_t{3} << 20;  // bytes of all pictures, before base64
constexpr std::size_t kReferencesShown = 5, kDotsShown = 64;

std::string path_of(const std::vector<std::vector<Point>>& polygons, int width, int height) {
  std::string path;
  for (const std::vector<Point>& polygon : polygons) {
    for (std::size_t i = 0; i < polygon.size(); ++i)
      path += fmt::format("{}{:.1f} {:.1f}", i == 0 ? 'M' : 'L', polygon[i].x * width, polygon[i].y * height);
    path += 'Z';
  }
  return path;
}

class CaseCard {
 public:
  CaseCard(const Say& say, const CaseStudy& study, int number)
      : say_(say), study_(study), id_(fmt::format("c{}", number)) {
    width_ = study.after.width > 0 ? study.after.width : 256;
    height_ = study.after.height > 0 ? study.after.height : 256;
  }

  std::string html(std::size_t& budget) const {
    const ReportedPair& p = study_.pair;
    std::string out =
        fmt::format("<article class=\"case\"><h4><span>{}</span><span>{}</span></h4>", escape_html(p.name), verdict());
    out += pictures(budget) + film();
    out += fmt::format("<p class=\"say\">{}</p><p class=\"facts\">{}</p>", escape_html(p.caption), facts());
    if (!p.references.empty()) {
      out += fmt::format("<details><summary>{}</summary><ul>", say_("what people wrote", "人工描述"));
      for (std::size_t i = 0; i < std::min(kReferencesShown, p.references.size()); ++i)
        out += fmt::format("<li>{}</li>", escape_html(p.references[i]));
      out += "</ul></details>";
    }
    return out + "</article>\n";
  }

 private:
  std::string verdict() const {
    const ReportedPair& p = study_.pair;
    if (!p.right_flag())
      return p.changeflag ? say_("<span class=\"down\">missed change</span>", "<span class=\"down\">漏报</span>")
                          : say_("<span class=\"down\">false alarm</span>", "<span class=\"down\">误报</span>");
    if (!p.hits) return "";
    return p.hits->mask
               ? say_("<span class=\"up\">on changed ground</span>", "<span class=\"up\">落在变化区域上</span>")
               : say_("<span class=\"down\">off the mask</span>", "<span class=\"down\">未落在变化区域</span>");
  }

  std::string facts() const {
    const ReportedPair& p = study_.pair;
    std::string out;
    const auto add = [&](const std::string& text) { out += (out.empty() ? "" : " · ") + text; };
    if (p.p_zoom) add(fmt::format("{} {}", say_("P(change)", "变化概率"), number_text(*p.p_zoom, 2)));
    if (p.error_px) add(fmt::format("{} {} px", say_("distance", "距离"), number_text(*p.error_px, 0)));
    if (p.region_share > 0) add(fmt::format("{} {} %", say_("region", "区域"), number_text(100 * p.region_share, 1)));
    for (const auto& [key, name] : {std::pair("cider", "CIDEr"), std::pair("rouge_l", "ROUGE-L")})
      if (const auto found = p.scores.find(key); found != p.scores.end())
        add(fmt::format("{} {}", name, number_text(found->second, 2)));
    return out;
  }

  std::string picture(const Image& image, const std::string& part, std::size_t& budget) const {
    const std::string bytes = encode_jpeg(image, kQuality);
    if (bytes.size() > budget) return "";
    budget -= bytes.size();
    return fmt::format("<image id=\"{}{}\" width=\"{}\" height=\"{}\" preserveAspectRatio=\"none\" href=\"{}\"/>", id_,
                       part, width_, height_, data_uri("image/jpeg", bytes));
  }

  std::string panel(const std::string& inner, const char* caption, const char* description) const {
    return fmt::format(
        "<figure><svg viewBox=\"0 0 {} {}\" role=\"img\" aria-label=\"{}: "
        "{}\">{}</svg><figcaption>{}</figcaption></figure>",
        width_, height_, escape_html(study_.pair.name), description, inner, caption);
  }

  std::string pictures(std::size_t& budget) const {
    std::string before, after, shared;
    if (!study_.after.pixels.empty()) {
      before = picture(study_.before, "a", budget);
      after = picture(study_.after, "b", budget);
      if (!after.empty()) shared = fmt::format("<use href=\"#{}b\"/>", id_);
    }
    return "<div class=\"trio\">" + panel(before, say_("before", "变化前"), say_("before", "变化前")) +
           panel(after, say_("after", "变化后"), say_("after", "变化后")) +
           panel(shared + marks(), say_("answer", "回答"),
                 say_("after, with truth and answer", "变化后，含真值与回答")) +
           "</div>";
  }

  std::string marks() const {
    const ReportedPair& p = study_.pair;
    std::string out;
    if (!study_.truth.empty())
      out += fmt::format("<path class=\"m-truth\" d=\"{}\"/>", path_of(study_.truth, width_, height_));
    if (!p.region.empty() && p.a == 1) {
      const std::string path = path_of(p.region, width_, height_);
      out += fmt::format("<path class=\"m-rim\" d=\"{0}\"/><path class=\"m-region\" d=\"{0}\"/>", path);
    }
    const std::vector<Point>& samples = study_.steps.empty() ? p.samples : study_.steps.back();
    const std::size_t shown = std::min(kDotsShown, samples.size());
    if (shown > 0 && (p.a == 1 || !study_.steps.empty())) {
      out += fmt::format("<g id=\"{}s\">", id_);
      for (std::size_t i = 0; i < shown; ++i)
        out += fmt::format("<circle class=\"m-sample\" r=\"{:.1f}\" cx=\"{:.1f}\" cy=\"{:.1f}\"/>", width_ / 130.0,
                           samples[i].x * width_, samples[i].y * height_);
      out += "</g>";
    }
    const auto cross = [&](const Point& at, const char* css, double size) {
      const double x = at.x * width_, y = at.y * height_;
      return fmt::format("<path class=\"{}\" d=\"M{:.1f} {:.1f}h{:.1f}M{:.1f} {:.1f}v{:.1f}\"/>", css, x - size, y,
                         2 * size, x, y - size, 2 * size);
    };
    if (p.target) out += cross(*p.target, "m-rim", width_ / 40.0) + cross(*p.target, "m-target", width_ / 40.0);
    if (p.point && p.a == 1)
      for (const char* css : {"m-rim", "m-point"})
        out += fmt::format("<circle class=\"{}\" cx=\"{:.1f}\" cy=\"{:.1f}\" r=\"{:.1f}\"/>", css, p.point->x * width_,
                           p.point->y * height_, width_ / 28.0);
    return out;
  }

  // Places in thousandths, so that a step of 64 samples takes half a kilobyte.
  std::string film() const {
    if (study_.steps.size() < 2) return "";
    std::string steps;
    for (const std::vector<Point>& step : study_.steps) {
      if (!steps.empty()) steps += ';';
      for (std::size_t i = 0; i < std::min(kDotsShown, step.size()); ++i)
        steps +=
            fmt::format("{}{},{}", i == 0 ? "" : " ", std::lround(1000 * step[i].x), std::lround(1000 * step[i].y));
    }
    const std::size_t last = study_.steps.size() - 1;
    return fmt::format(
        "<div class=\"film\" hidden data-dots=\"{0}s\" data-width=\"{1}\" data-height=\"{2}\" "
        "data-steps=\"{3}\"><button type=\"button\" "
        "data-play=\"{4}\" data-stop=\"{5}\">{4}</button><input type=\"range\" min=\"0\" max=\"{6}\" value=\"{6}\" "
        "step=\"1\" "
        "aria-label=\"{7}\"><output aria-hidden=\"true\">{6} / {6}</output></div>",
        id_, width_, height_, steps, say_("Play", "播放"), say_("Stop", "停止"), last,
        say_("denoising step of the samples", "采样的去噪步骤"));
  }

  const Say& say_;
  const CaseStudy& study_;
  std::string id_;
  int width_ = 0, height_ = 0;
};

std::string marks_key(const Say& say) {
  const auto entry = [](const char* mark, const char* text) {
    return fmt::format(
        "<li><svg viewBox=\"0 0 24 14\" aria-hidden=\"true\"><rect width=\"24\" height=\"14\" "
        "fill=\"#555\"/>{}</svg>{}</li>",
        mark, text);
  };
  return "<ul class=\"key\">" +
         entry("<rect class=\"m-truth\" x=\"3\" y=\"2\" width=\"18\" height=\"10\"/>",
               say("marked change (truth)", "标注的变化（真值）")) +
         entry("<path class=\"m-target\" d=\"M7 7h10M12 2v10\"/>",
               say("target: centre of the largest change", "目标：最大变化的中心")) +
         entry("<circle class=\"m-point\" cx=\"12\" cy=\"7\" r=\"4.5\"/>", say("answered point", "回答的目标点")) +
         entry("<path class=\"m-region\" d=\"M2 10V4H22V10\"/>", say("region", "区域")) +
         entry(
             "<circle class=\"m-sample\" cx=\"7\" cy=\"8\" r=\"2\"/><circle class=\"m-sample\" cx=\"15\" cy=\"5\" "
             "r=\"2\"/>",
             say("samples", "采样")) +
         "</ul>";
}

}  // namespace

std::string cases_section(const Say& say, std::span<const CaseStudy> cases, bool has_pairs) {
  if (cases.empty())
    return fmt::format("<p class=\"missing\">{}</p>",
                       has_pairs
                           ? say("No pair of this validation can be shown: none changed, or all contradict themselves.",
                                 "该验证中没有可展示的图像对。")
                           : say("Not measured — predictions.jsonl is not in the folder.",
                                 "未测量——文件夹中没有 predictions.jsonl。"));
  struct Group {
    CaseKind kind;
    const char *english, *chinese, *english_rule, *chinese_rule;
  };
  static constexpr Group kGroups[] = {
      {CaseKind::success, "Successes", "成功",
       "Right flag and point on changed ground; the highest CIDEr of the pair first.",
       "变化判断正确且目标点落在变化区域上；按单对 CIDEr 从高到低。"},
      {CaseKind::typical, "Typical", "典型", "The pairs round the median CIDEr, whatever they hit.",
       "CIDEr 居中的图像对，不论是否命中。"},
      {CaseKind::failure, "Failures", "失败",
       "Wrong flag or point off the mask: missed changes first, then the longest distance to the target.",
       "变化判断错误或目标点未落在变化区域：先列漏报，再按与目标的距离从远到近。"},
      {CaseKind::false_alarm, "False alarms", "误报", "Unchanged pairs that were flagged, the most certain first.",
       "无变化却被判为有变化的图像对，按置信度从高到低。"}};
  std::string out = marks_key(say);
  std::size_t budget = kImageBudget, without = 0;
  int number = 0;
  for (const Group& group : kGroups) {
    std::string cards;
    for (const CaseStudy& study : cases) {
      if (study.kind != group.kind) continue;
      without += study.after.pixels.empty();
      cards += CaseCard(say, study, number++).html(budget);
    }
    if (cards.empty()) continue;
    out += fmt::format("<h3>{}</h3><p class=\"cap\">{}</p><div class=\"cases\">{}</div>",
                       say(group.english, group.chinese), say(group.english_rule, group.chinese_rule), cards);
  }
  if (without > 0)
    out += fmt::format("<p class=\"cap\">{}</p>", say("Cases without pictures: the images are not here (--data DIR).",
                                                      "没有图片的案例：图像不在此处（--data DIR）。"));
  return out;
}

}  // namespace cp
