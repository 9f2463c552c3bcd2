#include "report/plot.h"

#include <algorithm>
#include <cmath>

#include <fmt/format.h>

#include "report/html.h"

namespace cp {
namespace {

constexpr double kLeft = 46, kRight = 12, kTop = 12, kBottom = 42;

std::string tip_of(const std::string& tip) { return tip.empty() ? "" : "<title>" + escape_html(tip) + "</title>"; }

// "× 10⁻³" of exponent -3.
std::string power_text(int exponent) {
  static constexpr const char* kDigits[] = {"⁰", "¹", "²", "³", "⁴", "⁵", "⁶", "⁷", "⁸", "⁹"};
  std::string text = exponent < 0 ? "× 10⁻" : "× 10";
  for (const char digit : std::to_string(std::abs(exponent))) text += kDigits[digit - '0'];
  return text;
}

int decimals_of(double step) { return std::clamp(static_cast<int>(std::ceil(-std::log10(step) - 1e-9)), 0, 6); }

}  // namespace

Axis nice_axis(double low, double high, std::string label, int count) {
  if (!std::isfinite(low) || !std::isfinite(high) || low > high) low = 0, high = 1;
  if (high - low < 1e-12 * std::max({1.0, std::fabs(low), std::fabs(high)}))
    low -= low == 0 ? 0 : 0.5 * std::fabs(low), high += high == 0 ? 1 : 0.5 * std::fabs(high);
  const double rough = (high - low) / count, power = std::pow(10, std::floor(std::log10(rough)));
  const double fraction = rough / power;
  const double step = power * (fraction < 1.5 ? 1 : fraction < 3.5 ? 2 : fraction < 7.5 ? 5 : 10);
  Axis axis{low, high, {}, decimals_of(step), std::move(label), 0};
  // Small and large numbers are shown as multiples of a power of ten.
  if (step < 1e-3 || step >= 1e5) {
    axis.exponent = static_cast<int>(std::floor(std::log10(std::max(std::fabs(low), std::fabs(high)))));
    axis.decimals = decimals_of(step * std::pow(10, -axis.exponent));
  }
  for (double i = std::ceil(low / step - 1e-9); i * step <= high + 1e-9 * step; ++i) axis.ticks.push_back(i * step);
  return axis;
}

Axis fixed_axis(double low, double high, std::vector<double> ticks, int decimals, std::string label) {
  return {low, high, std::move(ticks), decimals, std::move(label), 0};
}

Plot::Plot(std::string title, Axis x, Axis y, int width, int height)
    : title_(std::move(title)), x_(std::move(x)), y_(std::move(y)), width_(width), height_(height) {}

double Plot::px(double x) const { return kLeft + (x - x_.low) / (x_.high - x_.low) * (width_ - kLeft - kRight); }
double Plot::py(double y) const {
  return height_ - kBottom - (y - y_.low) / (y_.high - y_.low) * (height_ - kTop - kBottom);
}

void Plot::line(std::span<const Point> points, const char* css) {
  std::string path;
  bool pen_up = true;
  for (const Point& p : points) {
    if (!std::isfinite(p.x) || !std::isfinite(p.y)) {
      pen_up = true;
      continue;
    }
    path += fmt::format("{}{:.1f} {:.1f}", pen_up ? 'M' : 'L', px(p.x), py(std::clamp(p.y, y_.low, y_.high)));
    pen_up = false;
  }
  if (!path.empty()) marks_ += fmt::format("<path class=\"line {}\" d=\"{}\"/>", css, path);
}

void Plot::band(std::span<const Point> lower, std::span<const Point> upper, const char* css) {
  std::string path;
  const auto add = [&](const Point& p) {
    if (std::isfinite(p.x) && std::isfinite(p.y))
      path += fmt::format("{}{:.1f} {:.1f}", path.empty() ? 'M' : 'L', px(p.x), py(std::clamp(p.y, y_.low, y_.high)));
  };
  for (const Point& p : upper) add(p);
  for (std::size_t i = lower.size(); i-- > 0;) add(lower[i]);
  if (!path.empty()) marks_ += fmt::format("<path class=\"{}\" d=\"{}Z\"/>", css, path);
}

void Plot::bar(double x0, double x1, double y, const char* css, const std::string& tip) {
  if (!std::isfinite(y)) return;
  const double top = py(std::clamp(y, y_.low, y_.high)), bottom = py(std::max(0.0, y_.low));
  marks_ +=
      fmt::format("<rect class=\"{}\" x=\"{:.1f}\" y=\"{:.1f}\" width=\"{:.1f}\" height=\"{:.1f}\">{}</rect>", css,
                  px(x0) + 0.5, top, std::max(0.0, px(x1) - px(x0) - 1), std::max(0.0, bottom - top), tip_of(tip));
}

void Plot::whisker(double x, double low, double high, const char* css) {
  if (!std::isfinite(low) || !std::isfinite(high)) return;
  marks_ += fmt::format("<path class=\"whisker {}\" d=\"M{:.1f} {:.1f}V{:.1f}\"/>", css, px(x),
                        py(std::clamp(low, y_.low, y_.high)), py(std::clamp(high, y_.low, y_.high)));
}

void Plot::dot(const Point& at, double radius, const char* css, const std::string& tip) {
  if (!std::isfinite(at.x) || !std::isfinite(at.y)) return;
  marks_ += fmt::format("<circle class=\"{}\" cx=\"{:.1f}\" cy=\"{:.1f}\" r=\"{:.1f}\">{}</circle>", css, px(at.x),
                        py(std::clamp(at.y, y_.low, y_.high)), radius, tip_of(tip));
}

void Plot::level(double y, const char* css) {
  if (y < y_.low || y > y_.high || !std::isfinite(y)) return;
  marks_ += fmt::format("<path class=\"line {}\" d=\"M{:.1f} {:.1f}H{:.1f}\"/>", css, kLeft, py(y), width_ - kRight);
}

void Plot::upright(double x, const char* css) {
  if (x < x_.low || x > x_.high || !std::isfinite(x)) return;
  marks_ += fmt::format("<path class=\"line {}\" d=\"M{:.1f} {:.1f}V{:.1f}\"/>", css, px(x), kTop, height_ - kBottom);
}

void Plot::note(const Point& at, const std::string& text, const char* anchor, double dx, double dy) {
  marks_ += fmt::format("<text class=\"note\" x=\"{:.1f}\" y=\"{:.1f}\" text-anchor=\"{}\">{}</text>", px(at.x) + dx,
                        py(at.y) + dy, anchor, escape_html(text));
}

std::string Plot::svg() const {
  const std::string title = escape_html(title_);
  std::string out = fmt::format("<svg class=\"plot\" viewBox=\"0 0 {0} {1}\" role=\"img\" aria-label=\"{2}\">", width_,
                                height_, title);
  const double bottom = height_ - kBottom, right = width_ - kRight;
  for (const double tick : y_.ticks)
    out += fmt::format(
        "<path class=\"grid\" d=\"M{0} {1:.1f}H{2}\"/><text class=\"tick\" x=\"{3}\" y=\"{4:.1f}\" "
        "text-anchor=\"end\">{5}</text>",
        kLeft, py(tick), right, kLeft - 6, py(tick) + 3.5, number_text(tick * std::pow(10, -y_.exponent), y_.decimals));
  for (const double tick : x_.ticks)
    out += fmt::format(
        "<path class=\"axis\" d=\"M{0:.1f} {1}v4\"/><text class=\"tick\" x=\"{0:.1f}\" y=\"{2}\" "
        "text-anchor=\"middle\">{3}</text>",
        px(tick), bottom, bottom + 15, number_text(tick * std::pow(10, -x_.exponent), x_.decimals));
  out += fmt::format("<path class=\"axis\" d=\"M{} {}H{}\"/>", kLeft, bottom, right);
  out += fmt::format("<text class=\"label\" x=\"{}\" y=\"{}\" text-anchor=\"middle\">{}</text>", (kLeft + right) / 2,
                     height_ - 8, escape_html(x_.exponent == 0 ? x_.label : x_.label + " " + power_text(x_.exponent)));
  if (!y_.label.empty())
    out +=
        fmt::format("<text class=\"label\" transform=\"translate(11 {}) rotate(-90)\" text-anchor=\"middle\">{}</text>",
                    (kTop + bottom) / 2, escape_html(y_.label));
  if (y_.exponent != 0)
    out += fmt::format("<text class=\"tick\" x=\"{}\" y=\"9\" text-anchor=\"start\">{}</text>", kLeft + 2,
                       power_text(y_.exponent));
  return out + marks_ + "</svg>";
}

std::vector<Point> thinned(const std::vector<Point>& points, std::size_t buckets) {
  if (buckets == 0 || points.size() <= 2 * buckets) return points;
  std::vector<Point> out;
  for (std::size_t b = 0; b < buckets; ++b) {
    const std::size_t begin = b * points.size() / buckets, end = (b + 1) * points.size() / buckets;
    const auto [low, high] = std::minmax_element(points.begin() + static_cast<std::ptrdiff_t>(begin),
                                                 points.begin() + static_cast<std::ptrdiff_t>(end),
                                                 [](const Point& a, const Point& c) { return a.y < c.y; });
    for (const auto& p : {std::min(low, high), std::max(low, high)})
      if (out.empty() || !(out.back() == *p)) out.push_back(*p);
  }
  return out;
}

}  // namespace cp
