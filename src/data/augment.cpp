#include "data/augment.h"

#include <algorithm>
#include <array>
#include <cmath>
#include <numbers>

#include "core/error.h"
#include "data/chinese_directions.h"
#include "image/warp.h"
#include "text/template.h"

namespace cp {

namespace {

constexpr double kRadians = std::numbers::pi / 180.0;

bool has_warp(const View& view) {
  return view.crop_x != 0 || view.crop_y != 0 || view.crop_side != 1 || view.angle != 0;
}

// Source = centre + side * R(-angle) (view - 1/2), in fractions. Turning in fractions rather than pixels keeps points,
// boxes and pixels alike for every aspect ratio; models see a square anyway.
Image warp(const Image& source, const View& view, bool nearest) {
  const double cos = std::cos(view.angle * kRadians) * view.crop_side;
  const double sin = std::sin(view.angle * kRadians) * view.crop_side;
  const double x = view.crop_x + view.crop_side / 2, y = view.crop_y + view.crop_side / 2;
  const double w = source.width, h = source.height;
  const std::array<double, 6> inverse = {cos,         -sin * w / h, (x - (cos - sin) / 2) * w,
                                         sin * h / w, cos,          (y - (sin + cos) / 2) * h};
  return warp_affine(source, inverse, source.width, source.height, nearest);
}

Image turn_once(const Image& source) {  // counter-clockwise: the right edge becomes the top edge
  Image out(source.height, source.width, source.channels);
  for (int y = 0; y < out.height; ++y) {
    for (int x = 0; x < out.width; ++x) std::copy_n(source.at(source.width - 1 - y, x), source.channels, out.at(x, y));
  }
  return out;
}

Image mirrored(const Image& source) {
  Image out(source.width, source.height, source.channels);
  for (int y = 0; y < out.height; ++y) {
    for (int x = 0; x < out.width; ++x) std::copy_n(source.at(source.width - 1 - x, y), source.channels, out.at(x, y));
  }
  return out;
}

void check_turns(const View& view) {
  CP_CHECK(view.quarter_turns >= 0 && view.quarter_turns <= 3, "quarter_turns " + std::to_string(view.quarter_turns));
  CP_CHECK(view.crop_side > 0, "crop_side " + std::to_string(view.crop_side));
}

Image apply_geometry(const Image& source, const View& view, bool nearest) {
  check_turns(view);
  Image out = has_warp(view) ? warp(source, view, nearest) : source;
  for (int turn = 0; turn < view.quarter_turns; ++turn) out = turn_once(out);
  return view.mirror ? mirrored(out) : out;
}

// Contrast about the mean grey (ITU-R BT.601 luma) of these pixels, then brightness; one rounding at the end.
void apply_photometry(Image& image, const View& view) {
  if ((view.contrast == 1 && view.brightness == 1) || image.pixels.empty()) return;
  double mean = 0;
  if (image.channels == 3) {
    for (std::size_t i = 0; i < image.pixels.size(); i += 3) {
      mean += 0.299 * image.pixels[i] + 0.587 * image.pixels[i + 1] + 0.114 * image.pixels[i + 2];
    }
    mean /= static_cast<double>(image.pixels.size() / 3);
  } else {
    for (const std::uint8_t p : image.pixels) mean += p;
    mean /= static_cast<double>(image.pixels.size());
  }
  std::array<std::uint8_t, 256> table{};
  for (int value = 0; value < 256; ++value) {
    const double changed = ((value - mean) * view.contrast + mean) * view.brightness;
    table[static_cast<std::size_t>(value)] =
        static_cast<std::uint8_t>(std::clamp(std::floor(changed + 0.5), 0.0, 255.0));
  }
  for (std::uint8_t& p : image.pixels) p = table[p];
}

void check_option(bool good, const char* name, const char* wanted, double found) {
  if (good) return;
  throw UserError(ErrorKind::usage, name, std::string("wanted ") + wanted + ", found " + std::to_string(found),
                  "Set it within this range");
}

}  // namespace

View draw_view(Rng& rng, const AugmentOptions& options) {
  check_option(options.max_angle >= 0 && options.max_angle <= 45, "max_angle", "0 to 45 degrees", options.max_angle);
  check_option(options.min_crop > 0 && options.min_crop <= 1, "min_crop", "a share above 0 and at most 1",
               options.min_crop);
  check_option(options.jitter >= 0 && options.jitter < 1, "jitter", "0 or more and below 1", options.jitter);
  // Every number is drawn whatever the options say, so that switching one of them leaves the others' draws alone.
  const double angle = rng.uniform(-1, 1), side = rng.uniform(), x = rng.uniform(), y = rng.uniform();
  const int turns = static_cast<int>(rng.bits() >> 30);
  const bool mirror = (rng.bits() >> 31) != 0;
  const double brightness = rng.uniform(-1, 1), contrast = rng.uniform(-1, 1);

  View view;
  view.angle = angle * options.max_angle;
  view.crop_side = options.min_crop + (1 - options.min_crop) * side;
  view.crop_x = x * (1 - view.crop_side);
  view.crop_y = y * (1 - view.crop_side);
  view.quarter_turns = options.quarter_turns ? turns : 0;
  view.mirror = options.flips && mirror;
  view.brightness = 1 + options.jitter * brightness;
  view.contrast = 1 + options.jitter * contrast;
  return view;
}

Image apply_view(const Image& rgb, const View& view) {
  Image out = apply_geometry(rgb, view, false);
  apply_photometry(out, view);
  return out;
}

Image apply_view_mask(const Image& mask, const View& view) { return apply_geometry(mask, view, true); }

Point apply_view(Point fraction, const View& view) {
  check_turns(view);
  Point p = fraction;
  if (has_warp(view)) {  // the inverse of to_source: 1/2 + R(angle) (source - centre) / side
    const double cos = std::cos(view.angle * kRadians) / view.crop_side;
    const double sin = std::sin(view.angle * kRadians) / view.crop_side;
    const double x = p.x - (view.crop_x + view.crop_side / 2), y = p.y - (view.crop_y + view.crop_side / 2);
    p = {0.5 + cos * x + sin * y, 0.5 - sin * x + cos * y};
  }
  for (int turn = 0; turn < view.quarter_turns; ++turn) p = {p.y, 1 - p.x};
  if (view.mirror) p.x = 1 - p.x;
  return p;
}

Box apply_view(const Box& fraction, const View& view) {
  const Point corners[4] = {
      apply_view(Point{fraction.x0, fraction.y0}, view), apply_view(Point{fraction.x1, fraction.y0}, view),
      apply_view(Point{fraction.x0, fraction.y1}, view), apply_view(Point{fraction.x1, fraction.y1}, view)};
  Box hull{corners[0].x, corners[0].y, corners[0].x, corners[0].y};
  for (const Point p : corners) {
    hull = {std::min(hull.x0, p.x), std::min(hull.y0, p.y), std::max(hull.x1, p.x), std::max(hull.y1, p.y)};
  }
  return {std::clamp(hull.x0, 0.0, 1.0), std::clamp(hull.y0, 0.0, 1.0), std::clamp(hull.x1, 0.0, 1.0),
          std::clamp(hull.y1, 0.0, 1.0)};
}

std::optional<std::string> apply_view(const std::string& caption, const View& view) {
  check_turns(view);
  const DirectionMap map = direction_map(view.quarter_turns, view.mirror);
  return detect_language(caption) == "zh" ? rewrite_chinese_directions(caption, map) : rewrite_directions(caption, map);
}

}  // namespace cp
