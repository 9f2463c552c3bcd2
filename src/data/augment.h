#pragma once
// In:  a view: which geometric and photometric change is applied alike to both images, mask, boxes, action and words.
// Out: the changed images, points, boxes and captions.
// Not here: drawing on images, caching features.

#include <optional>
#include <string>
#include <vector>

#include "core/rng.h"
#include "data/geometry.h"
#include "image/image.h"

namespace cp {

struct AugmentOptions {
  bool quarter_turns = true;  // rotations by 0, 90, 180, 270 degrees
  bool flips = true;          // left-right mirror
  double max_angle = 5.0;     // degrees, uniform in +-max_angle
  double min_crop = 0.9;      // side of the square crop as a share of the image, uniform in [min_crop, 1]
  double jitter = 0.2;        // brightness and contrast factors uniform in [1 - jitter, 1 + jitter]
  template <class V>
  void fields(V& v) {
    v("quarter_turns", quarter_turns, "rotate by multiples of 90 degrees");
    v("flips", flips, "mirror left-right");
    v("max_angle", max_angle, "small rotation, degrees to either side");
    v("min_crop", min_crop, "smallest side of a random crop, share of the image");
    v("jitter", jitter, "largest relative change of brightness and contrast");
  }
};

// Applied in this order: crop and small rotation (one bilinear warp about the crop's centre, edge pixels repeated),
// then quarter turns counter-clockwise, then the left-right mirror; then contrast, then brightness.
struct View {
  double crop_x = 0, crop_y = 0, crop_side = 1;  // fractions of the image extent
  double angle = 0;                              // degrees, counter-clockwise as seen
  int quarter_turns = 0;                         // 0..3, counter-clockwise
  bool mirror = false;                           // left-right, after the turns
  double brightness = 1, contrast = 1;           // factors

  bool operator==(const View&) const = default;
};

View draw_view(Rng& rng, const AugmentOptions& options);

Image apply_view(const Image& rgb,
                 const View& view);  // bilinear; contrast about the image's own grey mean, then brightness
Image apply_view_mask(const Image& mask, const View& view);  // nearest; values kept
Point apply_view(Point fraction, const View& view);          // fractions; may fall outside [0, 1)
Box apply_view(const Box& fraction, const View& view);       // axis-aligned hull of the four corners, clipped to [0, 1]

// Direction words, English or Chinese, rewritten for the turns and the mirror (left -> top, west -> south, 左侧 ->
// 上方); none when the caption has a direction that cannot be rewritten safely. Captions without direction words come
// back as they are. Small angles and crops change no word.
std::optional<std::string> apply_view(const std::string& caption, const View& view);

}  // namespace cp
