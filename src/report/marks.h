#pragma once
// In:  an image and parts of an answer, places in pixels or as fractions.
// Out: the image with the marks that every picture of an answer uses: change map, region, samples.
// Not here: pages of several images (overlay.h, animation.h).

#include <vector>

#include "image/draw.h"

namespace cp {

inline constexpr Color kPoint{255, 236, 64}, kRim{0, 0, 0, 0.55};
inline constexpr Color kWarm{255, 176, 32}, kHot{232, 24, 72};  // change map, from faint to certain

struct PanelSize {
  int width, height;
};
// The longer side becomes `panel` px.
PanelSize panel_size(const Image& image, int panel);

Color mix(const Color& a, const Color& b, double t);

// Less colour and light, so that what is drawn on top stands out.
void mute(Image& image);

// Map logits (side side), row-major, as a translucent layer: smooth, from warm to hot.
void draw_change_map(Image& panel, const std::vector<float>& map);

// A closed outline, fractions; its corners are cut by up to `cut` px.
void draw_outline(Image& panel, const std::vector<Point>& polygon, double cut);
void draw_region_line(Image& panel, const Point& from, const Point& to);  // px
void draw_sample(Image& panel, const Point& at, double radius = 1.7);     // px

}  // namespace cp
