#include "runtime/abstain.h"

#include <algorithm>
#include <cmath>

#include "core/error.h"

namespace cp {

namespace {

constexpr int kGrid = 64;
constexpr double kLeastSpread = 1;  // grey levels

struct Reason {
  const char *name, *english, *chinese;
};
constexpr Reason kReasons[] = {
    {kBlankImage, "a picture shows nothing", "图像没有内容"},
    {kNotFinite, "the model's numbers are not finite", "模型的数值不是有限数"},
    {kRegionArea, "the region covers too much of the image", "区域占图像的面积过大"},
};

}  // namespace

std::string abstained_text(const std::string& reason, bool chinese) {
  for (const Reason& known : kReasons)
    if (reason == known.name) return chinese ? known.chinese : known.english;
  CP_CHECK(false, "abstained_text: no such reason: " + reason);
  return "";
}

bool is_blank(const Image& image) {
  CP_CHECK(image.width > 0 && image.height > 0 && image.channels == 3, "is_blank: no picture");
  const int columns = std::min(kGrid, image.width), rows = std::min(kGrid, image.height);
  double sum = 0, squares = 0;
  for (int r = 0; r < rows; ++r)
    for (int c = 0; c < columns; ++c) {
      const auto at = [](int i, int count, int extent) {
        return static_cast<int>((2LL * i + 1) * extent / (2LL * count));
      };
      const std::uint8_t* p = image.at(at(c, columns, image.width), at(r, rows, image.height));
      const double grey = 0.299 * p[0] + 0.587 * p[1] + 0.114 * p[2];
      sum += grey;
      squares += grey * grey;
    }
  const double n = static_cast<double>(rows) * columns, mean = sum / n;
  return squares / n - mean * mean < kLeastSpread * kLeastSpread;
}

}  // namespace cp
