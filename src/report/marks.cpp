#include "report/marks.h"

#include <algorithm>
#include <cmath>

#include "image/resample.h"

namespace cp {
namespace {

constexpr Color kRegion{64, 224, 255}, kSample{255, 255, 255, 0.75};
constexpr double kMapAlpha = 0.62;  // of a certain change
constexpr double kMapFloor = 0.08;  // fainter probabilities are not drawn

// An outline along cell borders, its corners cut by up to half a cell.
std::vector<Point> rounded(const std::vector<Point>& corners, double cut) {
  std::vector<Point> points;
  const auto toward = [cut](const Point& from, const Point& to) {
    const double length = std::hypot(to.x - from.x, to.y - from.y);
    const double t = length > 0 ? std::min(0.5, cut / length) : 0;
    return Point{from.x + (to.x - from.x) * t, from.y + (to.y - from.y) * t};
  };
  for (std::size_t i = 0; i < corners.size(); ++i) {
    const Point& corner = corners[i];
    const Point a = toward(corner, corners[(i + corners.size() - 1) % corners.size()]);
    const Point b = toward(corner, corners[(i + 1) % corners.size()]);
    points.push_back(a);
    points.push_back({(a.x + b.x + 2 * corner.x) / 4, (a.y + b.y + 2 * corner.y) / 4});
    points.push_back(b);
  }
  return points;
}

}  // namespace

PanelSize panel_size(const Image& image, int panel) {
  const double scale = static_cast<double>(panel) / std::max(image.width, image.height);
  return {std::max(1, static_cast<int>(std::lround(image.width * scale))),
          std::max(1, static_cast<int>(std::lround(image.height * scale)))};
}

Color mix(const Color& a, const Color& b, double t) {
  const auto channel = [t](int from, int to) { return static_cast<std::uint8_t>(std::lround(from + (to - from) * t)); };
  return {channel(a.r, b.r), channel(a.g, b.g), channel(a.b, b.b), 1.0};
}

void mute(Image& image) {
  for (std::size_t i = 0; i + 2 < image.pixels.size(); i += 3) {
    std::uint8_t* p = &image.pixels[i];
    const double grey = 0.299 * p[0] + 0.587 * p[1] + 0.114 * p[2];
    for (int c = 0; c < 3; ++c) p[c] = static_cast<std::uint8_t>(0.9 * (0.55 * p[c] + 0.45 * grey));
  }
}

void draw_change_map(Image& panel, const std::vector<float>& map) {
  const int side = static_cast<int>(std::lround(std::sqrt(static_cast<double>(map.size()))));
  CP_CHECK(side > 0 && static_cast<std::size_t>(side) * static_cast<std::size_t>(side) == map.size(),
           "map is not square");
  Image grey(side, side, 1);
  for (std::size_t i = 0; i < map.size(); ++i)
    grey.pixels[i] = static_cast<std::uint8_t>(std::lround(255 / (1 + std::exp(-static_cast<double>(map[i])))));
  const Image smooth = resize(grey, panel.width, panel.height, Filter::bicubic);
  for (int y = 0; y < panel.height; ++y) {
    for (int x = 0; x < panel.width; ++x) {
      const double q = *smooth.at(x, y) / 255.0;
      if (q > kMapFloor) blend_pixel(panel, x, y, mix(kWarm, kHot, q), kMapAlpha * std::sqrt(q));
    }
  }
}

void draw_region_line(Image& panel, const Point& from, const Point& to) {
  draw_line(panel, from, to, kRim, 4);
  draw_line(panel, from, to, kRegion, 2);
}

void draw_outline(Image& panel, const std::vector<Point>& polygon, double cut) {
  std::vector<Point> corners;
  for (const Point& p : polygon) corners.push_back({p.x * panel.width, p.y * panel.height});
  const std::vector<Point> points = rounded(corners, cut);
  for (std::size_t i = 0; i < points.size(); ++i) draw_region_line(panel, points[i], points[(i + 1) % points.size()]);
}

void draw_sample(Image& panel, const Point& at, double radius) {
  fill_circle(panel, at, radius + 0.9, kRim);
  fill_circle(panel, at, radius, kSample);
}

}  // namespace cp
