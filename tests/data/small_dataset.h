#pragma once
// In:  nothing.
// Out: small folders in LEVIR-CC layout for the tests of data/, made of generated pixels.
// Not here: the tests.

#include <filesystem>
#include <string>
#include <vector>

#include "core/file.h"
#include "core/json.h"
#include "image/write.h"
#include "support/test_support.h"

namespace cp::test {

// A smooth 24 x 16 picture that differs for each `seed`.
inline Image picture(int seed, int width = 24, int height = 16) {
  Image image(width, height, 3);
  for (int y = 0; y < height; ++y)
    for (int x = 0; x < width; ++x)
      for (int c = 0; c < 3; ++c)
        image.at(x, y)[c] = static_cast<std::uint8_t>((seed * 37 + x * 5 + y * (c + 3)) % 256);
  return image;
}

// A mask with one rectangle x0 <= x < x1, y0 <= y < y1 of `value`; none when value is 0.
inline Image rectangle(std::uint8_t value, int x0 = 4, int y0 = 2, int x1 = 10, int y1 = 6, int width = 24,
                       int height = 16) {
  Image mask(width, height, 1);
  for (int y = y0; y < y1; ++y)
    for (int x = x0; x < x1; ++x) *mask.at(x, y) = value;
  return mask;
}

// Writes pairs one after another; `save` writes the caption file.
class SmallDataset {
 public:
  explicit SmallDataset(const std::string& name) : root(fresh_folder(name)) {}

  // A pair with before, after and (unless 0 x 0) label images; pictures differ from pair to pair.
  Json& add(const std::string& split, const std::string& name, int flag, const Image& label,
            const std::vector<std::string>& captions = {"a house is built", "there is a new house"}) {
    const int number = static_cast<int>(records.size());
    const std::filesystem::path folder = split.empty() ? root / "images" : root / "images" / split;
    write_png(folder / "A" / name, picture(2 * number + 1));
    write_png(folder / "B" / name, picture(2 * number + 2));
    if (label.width > 0) write_png(folder / "label" / name, label);
    Json record = {{"filename", name}, {"changeflag", flag}, {"sentences", Json::array()}};
    if (!split.empty()) record["split"] = split;
    for (const std::string& caption : captions) record["sentences"].push_back({{"raw", " " + caption + " ."}});
    records.push_back(std::move(record));
    return records.back();
  }

  std::filesystem::path save() const {
    write_file_durable(root / "LevirCCcaptions.json", Json{{"images", records}}.dump());
    return root;
  }

  std::filesystem::path root;
  std::vector<Json> records;
};

}  // namespace cp::test
