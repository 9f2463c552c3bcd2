#include "image/draw.h"

#include <algorithm>
#include <cmath>

namespace cp {
namespace {

struct Area {
  int x0, y0, x1, y1;
};

// The pixels of the image that a shape with these bounds may touch. Bounds may be anything, even infinite.
Area clipped(const Image& image, double x0, double y0, double x1, double y1) {
  const auto pixel = [](double v, int size) { return static_cast<int>(std::clamp(v, 0.0, static_cast<double>(size))); };
  return {pixel(std::floor(x0), image.width), pixel(std::floor(y0), image.height), pixel(std::ceil(x1), image.width),
          pixel(std::ceil(y1), image.height)};
}

bool finite(const Point& p) { return std::isfinite(p.x) && std::isfinite(p.y); }

// Blends every pixel by how much of it lies inside a shape given by its signed distance (px, negative inside): a ramp
// of one pixel about the outline.
template <class Distance>
void fill_by_distance(Image& image, const Area& area, const Color& color, const Distance& distance) {
  for (int y = area.y0; y < area.y1; ++y)
    for (int x = area.x0; x < area.x1; ++x)
      blend_pixel(image, x, y, color, std::clamp(0.5 - distance(Point{x + 0.5, y + 0.5}), 0.0, 1.0));
}

}  // namespace

void blend_pixel(Image& image, int x, int y, const Color& color, double coverage) {
  CP_CHECK(image.channels == 3, "drawing wants RGB");
  if (x < 0 || y < 0 || x >= image.width || y >= image.height) return;
  const double weight = std::clamp(coverage, 0.0, 1.0) * std::clamp(color.alpha, 0.0, 1.0);
  if (!(weight > 0)) return;
  const std::uint8_t new_value[3] = {color.r, color.g, color.b};
  std::uint8_t* pixel = image.at(x, y);
  for (int c = 0; c < 3; ++c) pixel[c] = static_cast<std::uint8_t>(pixel[c] + (new_value[c] - pixel[c]) * weight + 0.5);
}

void fill_rect(Image& image, int x0, int y0, int x1, int y1, const Color& color) {
  const Area area = clipped(image, x0, y0, x1, y1);
  for (int y = area.y0; y < area.y1; ++y)
    for (int x = area.x0; x < area.x1; ++x) blend_pixel(image, x, y, color);
}

void draw_rect(Image& image, int x0, int y0, int x1, int y1, const Color& color, int thickness) {
  if (x0 >= x1 || y0 >= y1 || thickness <= 0) return;
  // The four sides share no pixel, so that a translucent colour is even.
  const int top = std::min(y0 + thickness, y1), bottom = std::max(y1 - thickness, top);
  const int left = std::min(x0 + thickness, x1), right = std::max(x1 - thickness, left);
  fill_rect(image, x0, y0, x1, top, color);
  fill_rect(image, x0, bottom, x1, y1, color);
  fill_rect(image, x0, top, left, bottom, color);
  fill_rect(image, right, top, x1, bottom, color);
}

void draw_line(Image& image, Point from, Point to, const Color& color, double thickness) {
  if (!finite(from) || !finite(to) || !(thickness > 0)) return;
  const double reach = thickness / 2 + 1;
  const double dx = to.x - from.x, dy = to.y - from.y, length_squared = dx * dx + dy * dy;
  const Area area = clipped(image, std::min(from.x, to.x) - reach, std::min(from.y, to.y) - reach,
                            std::max(from.x, to.x) + reach, std::max(from.y, to.y) + reach);
  fill_by_distance(image, area, color, [&](Point p) {
    const double along = length_squared > 0 ? ((p.x - from.x) * dx + (p.y - from.y) * dy) / length_squared : 0.0;
    const double t = std::clamp(along, 0.0, 1.0);
    return std::hypot(p.x - from.x - t * dx, p.y - from.y - t * dy) - thickness / 2;
  });
}

void fill_circle(Image& image, Point centre, double radius, const Color& color) {
  if (!finite(centre) || !(radius > 0)) return;
  const double reach = radius + 1;
  const Area area = clipped(image, centre.x - reach, centre.y - reach, centre.x + reach, centre.y + reach);
  fill_by_distance(image, area, color, [&](Point p) { return std::hypot(p.x - centre.x, p.y - centre.y) - radius; });
}

void draw_circle(Image& image, Point centre, double radius, const Color& color, double thickness) {
  if (!finite(centre) || !(radius > 0) || !(thickness > 0)) return;
  const double reach = radius + thickness / 2 + 1;
  const Area area = clipped(image, centre.x - reach, centre.y - reach, centre.x + reach, centre.y + reach);
  fill_by_distance(image, area, color, [&](Point p) {
    return std::abs(std::hypot(p.x - centre.x, p.y - centre.y) - radius) - thickness / 2;
  });
}

void fill_polygon(Image& image, std::span<const Point> corners, const Color& color) {
  if (corners.size() < 3 || !std::all_of(corners.begin(), corners.end(), finite)) return;
  double x0 = corners[0].x, x1 = x0, y0 = corners[0].y, y1 = y0;
  for (const Point& p : corners) {
    x0 = std::min(x0, p.x), x1 = std::max(x1, p.x);
    y0 = std::min(y0, p.y), y1 = std::max(y1, p.y);
  }
  const auto inside = [&](double x, double y) {
    bool odd = false;
    for (std::size_t i = 0, j = corners.size() - 1; i < corners.size(); j = i++) {
      const Point &a = corners[i], &b = corners[j];
      if ((a.y > y) != (b.y > y) && x < a.x + (y - a.y) * (b.x - a.x) / (b.y - a.y)) odd = !odd;
    }
    return odd;
  };
  constexpr int kSamples = 4;
  const Area area = clipped(image, x0, y0, x1, y1);
  for (int y = area.y0; y < area.y1; ++y) {
    for (int x = area.x0; x < area.x1; ++x) {
      int hits = 0;
      for (int j = 0; j < kSamples; ++j)
        for (int i = 0; i < kSamples; ++i) hits += inside(x + (i + 0.5) / kSamples, y + (j + 0.5) / kSamples) ? 1 : 0;
      blend_pixel(image, x, y, color, static_cast<double>(hits) / (kSamples * kSamples));
    }
  }
}

void fill_cell(Image& image, int x0, int y0, int x1, int y1, int columns, int rows, int column, int row,
               const Color& color) {
  CP_CHECK(columns > 0 && rows > 0, "fill_cell: empty grid");
  const auto edge = [](int begin, int end, int index, int count) {
    return begin + static_cast<int>(static_cast<std::int64_t>(end - begin) * index / count);
  };
  fill_rect(image, edge(x0, x1, column, columns), edge(y0, y1, row, rows), edge(x0, x1, column + 1, columns),
            edge(y0, y1, row + 1, rows), color);
}

void paste(Image& image, const Image& part, int x, int y) {
  CP_CHECK(image.channels == 3, "drawing wants RGB");
  for (int row = std::max(0, -y); row < part.height && y + row < image.height; ++row) {
    for (int column = std::max(0, -x); column < part.width && x + column < image.width; ++column) {
      const std::uint8_t* from = part.at(column, row);
      std::uint8_t* to = image.at(x + column, y + row);
      for (int c = 0; c < 3; ++c) to[c] = from[part.channels == 3 ? c : 0];
    }
  }
}

void draw_target(Image& image, Point centre, double size, const Color& color) {
  const Color rim{0, 0, 0, 0.6 * color.alpha};
  const auto marks = [&](const Color& ink, double thickness) {
    draw_circle(image, centre, size, ink, thickness);
    for (const Point way : {Point{1, 0}, Point{-1, 0}, Point{0, 1}, Point{0, -1}})
      draw_line(image, {centre.x + way.x * size * 0.45, centre.y + way.y * size * 0.45},
                {centre.x + way.x * size * 1.55, centre.y + way.y * size * 1.55}, ink, thickness);
    fill_circle(image, centre, std::max(1.0, size * 0.12) + thickness / 4, ink);
  };
  const double thickness = std::max(1.5, size / 6);
  marks(rim, thickness + 2);
  marks(color, thickness);
}

}  // namespace cp
