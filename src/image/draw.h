#pragma once
// In:  an RGB Image and shapes in pixel-corner coordinates (the centre of pixel (x, y) is (x + 0.5, y + 0.5)).
// Out: the same Image with the shapes blended in. What lies outside the image is clipped; nothing is ever refused.
// Not here: text (font.h).

#include <span>

#include "image/image.h"
#include "image/point.h"

namespace cp {

struct Color {
  std::uint8_t r = 0, g = 0, b = 0;
  double alpha = 1.0;  // 0 = invisible .. 1 = opaque

  bool operator==(const Color&) const = default;
};

// Blends `color` into pixel (x, y) with weight coverage * alpha; outside the image nothing happens.
void blend_pixel(Image& image, int x, int y, const Color& color, double coverage = 1.0);

// Whole pixels [x0, x1) x [y0, y1).
void fill_rect(Image& image, int x0, int y0, int x1, int y1, const Color& color);
// A frame of `thickness` pixels inside [x0, x1) x [y0, y1).
void draw_rect(Image& image, int x0, int y0, int x1, int y1, const Color& color, int thickness = 1);

// Anti-aliased; `thickness` and `radius` in pixels. Line ends are round.
void draw_line(Image& image, Point from, Point to, const Color& color, double thickness = 1.5);
void fill_circle(Image& image, Point centre, double radius, const Color& color);
void draw_circle(Image& image, Point centre, double radius, const Color& color, double thickness = 1.5);

// A polygon (even-odd rule), anti-aliased by 4 x 4 samples a pixel. Fewer than 3 points draw nothing.
void fill_polygon(Image& image, std::span<const Point> corners, const Color& color);

// Cell (column, row) of a grid of columns x rows cells laid over [x0, x1) x [y0, y1) of the image: neighbours share no
// pixel and leave none out. For change maps and regions.
void fill_cell(Image& image, int x0, int y0, int x1, int y1, int columns, int rows, int column, int row,
               const Color& color);

// Copies `part` (RGB or one channel) so that its top left corner lies on pixel (x, y).
void paste(Image& image, const Image& part, int x, int y);

// Cross hairs with a ring: where to look. `size` is the ring's radius; a dark rim keeps it visible on any ground.
void draw_target(Image& image, Point centre, double size, const Color& color);

}  // namespace cp
