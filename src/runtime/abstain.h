#pragma once
// In:  the two images, and what an answer found on them.
// Out: why the answer hovers instead of pointing, if it should (docs/nano.md, section 6).
// Not here: the action itself (guard.h), errors that end an answer (session.cpp).

#include <string>

#include "image/image.h"

namespace cp {

// The reasons, as JSON has them. An answer that does not abstain has none: "".
inline constexpr const char* kBlankImage = "blank_image";  // at least one picture shows nothing
inline constexpr const char* kNotFinite = "not_finite";    // the samples are no numbers
inline constexpr const char* kRegionArea = "region_area";  // the region is too large to say where

// For people: "the region covers too much of the image".
std::string abstained_text(const std::string& reason, bool chinese = false);

// Whether a picture (H W 3) shows nothing: black, white, one colour, fog. On a grid of at most 64 x 64 pixels the grey
// values' standard deviation is below 1 of 255. No picture of levir-mini is (docs/nano.md).
bool is_blank(const Image& image);

}  // namespace cp
