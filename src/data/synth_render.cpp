#include "data/synth_render.h"

#include <algorithm>
#include <array>

#include "data/synth_raster.h"

namespace cp::synth {

namespace {

struct Rgb {
  int r = 0, g = 0, b = 0;
};
Rgb mix(Rgb a, Rgb b, int weight) {     // weight 0 .. 255 of b
  const int w = weight + weight / 128;  // 0 .. 256
  return {a.r + (b.r - a.r) * w / 256, a.g + (b.g - a.g) * w / 256, a.b + (b.b - a.b) * w / 256};
}
using Palette = std::array<Rgb, 256>;
Palette make_palette(const Rgb (&ends)[2]) {
  Palette out;
  for (int tone = 0; tone < 256; ++tone) out[static_cast<std::size_t>(tone)] = mix(ends[0], ends[1], tone);
  return out;
}
Rgb lit(Rgb c, int light, int add = 0) {  // light in 1/256
  return {c.r * light / 256 + add, c.g * light / 256 + add, c.b * light / 256 + add};
}

// By season: green, dry, autumn. Two colours each, between which the noise mixes.
constexpr Rgb kGrass[3][2] = {
    {{84, 98, 62}, {128, 134, 90}}, {{132, 124, 88}, {172, 158, 120}}, {{100, 98, 70}, {146, 134, 98}}};
constexpr Rgb kLawn[3][2] = {
    {{82, 104, 58}, {116, 132, 80}}, {{116, 120, 78}, {150, 146, 102}}, {{96, 104, 68}, {132, 128, 90}}};
constexpr Rgb kFloor[3][2] = {
    {{56, 66, 44}, {92, 98, 66}}, {{92, 90, 64}, {128, 118, 88}}, {{84, 78, 58}, {118, 106, 80}}};
constexpr Rgb kTree[3][2] = {
    {{50, 68, 40}, {76, 94, 54}}, {{70, 76, 48}, {100, 102, 66}}, {{74, 74, 50}, {126, 108, 78}}};
constexpr Rgb kSoil[3][2] = {
    {{164, 142, 112}, {206, 186, 154}}, {{158, 130, 102}, {200, 172, 140}}, {{156, 146, 128}, {198, 188, 168}}};
constexpr Rgb kRoofs[8] = {{142, 128, 116}, {118, 112, 108}, {160, 106, 84},  {98, 100, 106},
                           {178, 166, 148}, {132, 112, 96},  {110, 118, 130}, {186, 184, 180}};
constexpr Rgb kCars[6] = {{226, 226, 224}, {52, 54, 58},  {150, 152, 156},
                          {146, 48, 44},   {56, 76, 118}, {190, 184, 168}};
constexpr Rgb kSurfaces[3] = {{126, 126, 126}, {186, 180, 170}, {188, 166, 136}};

class Painter {
 public:
  Painter(const Scene& scene, const GroundNoise& noise, bool later, const Look& look)
      : scene_(scene),
        noise_(noise),
        later_(later),
        look_(look),
        season_(static_cast<int>(look.season)),
        canvas_(static_cast<std::size_t>(scene.size) * static_cast<std::size_t>(scene.size)),
        shade_(canvas_.size(), 0) {}

  Image paint() {
    paint_ground();
    for (const House& house : scene_.houses) {
      if (house.when.at(later_)) paint_drive(house);
    }
    // The oldest road last: its edge lies over the mouth of a branch.
    for (std::size_t i = scene_.roads.size(); i-- > 0;) {
      if (scene_.roads[i].when.at(later_)) paint_road(scene_.roads[i]);
    }
    for (const House& house : scene_.houses) {
      if (house.when.at(later_) && house.pool) paint_pool(house);
    }
    cast_shadows();
    for (const Car& car : scene_.cars) {
      if (car.when.at(later_)) paint_car(car);
    }
    for (const House& house : scene_.houses) {
      if (house.when.at(later_)) paint_house(house);
    }
    for (const Tree& tree : scene_.trees) {
      if (tree.when.at(later_)) paint_tree(tree);
    }
    return develop();
  }

 private:
  std::size_t index(int x, int y) const { return static_cast<std::size_t>(y * scene_.size + x); }
  int grain_at(int x, int y, int amplitude) const { return grain(x, y, scene_.noise_seed, amplitude); }

  void paint_ground() {
    // How much bare soil shows, and how much tended lawn, 0 .. 255.
    std::vector<int> soil(canvas_.size()), lawn(canvas_.size(), 0);
    const int threshold = scene_.biome == Biome::grass ? 176 : scene_.biome == Biome::bareland ? 88 : 190;
    for (std::size_t i = 0; i < soil.size(); ++i) {
      soil[i] = std::clamp((noise_.patches[i] - threshold) * 4 + (noise_.fine[i] - 128) / 2, 0, 255);
    }
    for (const Patch& patch : scene_.patches) {
      if (!patch.when.at(later_)) continue;
      for_rectangle(
          scene_.size, patch.at, patch.axis, patch.half_length, patch.half_width, [&](int x, int y, int u, int v) {
            const std::size_t i = index(x, y);
            const int margin = std::min(patch.half_length - std::abs(u), patch.half_width - std::abs(v));
            const int ragged =
                patch.ground == Ground::soil ? (noise_.fine[i] - 128) / 6 + (noise_.low[i] - 128) / 8 : 0;
            const int weight = std::clamp((margin - 4 + ragged) * (patch.ground == Ground::soil ? 20 : 50), 0, 255);
            if (patch.ground == Ground::soil) {
              soil[i] = std::max(soil[i], weight);
            } else {
              soil[i] = std::min(soil[i], 255 - weight * 7 / 8);
              lawn[i] = std::max(lawn[i], weight);
            }
          });
    }
    const Palette grass = make_palette(scene_.biome == Biome::woods ? kFloor[season_] : kGrass[season_]);
    const Palette tended = make_palette(kLawn[season_]), bare = make_palette(kSoil[scene_.noise_seed % 3]);
    for (int y = 0; y < scene_.size; ++y) {
      for (int x = 0; x < scene_.size; ++x) {
        const std::size_t i = index(x, y);
        const auto tone = static_cast<std::size_t>((noise_.low[i] * 5 + noise_.fine[i] * 3) / 8);
        Rgb c = grass[tone];
        if (lawn[i] > 0) c = mix(c, tended[tone], lawn[i]);
        if (soil[i] > 0) c = mix(c, bare[tone], soil[i]);
        canvas_[i] = lit(c, 256, grain_at(x, y, 14) + (noise_.fine[i] - 128) / 9);
      }
    }
  }

  void paint_drive(const House& house) {
    const Vec axis = unit(house.drive - house.front);
    const int half = length(house.drive - house.front) / 2;
    const Vec middle = house.front + scaled(axis, half);
    for_rectangle(scene_.size, middle, axis, half, 8, [&](int x, int y, int u, int v) {
      const bool joint = v == 0 || (u + 400) % 24 == 0;
      canvas_[index(x, y)] =
          lit({190, 184, 174}, 256, grain_at(x, y, 5) - (joint ? 10 : 0) + (noise_.fine[index(x, y)] - 128) / 16);
    });
  }

  void paint_road(const Road& road) {
    const Rgb base = kSurfaces[static_cast<int>(road.surface)];
    const bool dirt = road.surface == Surface::dirt;
    for_road(scene_.size, road.points, road.half_width + 5, [&](int x, int y, int across, int lengthwise) {
      const std::size_t i = index(x, y);
      const int distance = std::abs(across);
      if (distance > road.half_width) {  // worn verge
        const int wear = std::clamp((road.half_width + 5 - distance) * 40 + (noise_.fine[i] - 128), 0, 190);
        canvas_[i] = mix(canvas_[i], lit({168, 158, 138}, 256, grain_at(x, y, 8)), wear);
        return;
      }
      int add = grain_at(x, y, dirt ? 9 : 5) + (noise_.low[i] - 128) / 9 + (noise_.fine[i] - 128) / (dirt ? 7 : 16);
      const int lane = std::abs(distance - road.half_width / 2);
      if (lane <= 3) add += dirt ? 8 : 4;                       // wheel tracks
      if (!dirt && distance >= road.half_width - 1) add += 34;  // kerb
      if (road.line && distance <= 1 && (lengthwise + 4000) % 44 < 24) add += 66;
      const int ragged = dirt ? std::clamp((road.half_width - distance) * 60 + noise_.fine[i] - 60, 0, 255) : 255;
      canvas_[i] = mix(canvas_[i], lit(base, 256, add), ragged);
    });
  }

  void paint_pool(const House& house) {
    for_rectangle(scene_.size, house.pool_at, house.blocks[0].axis, 14, 9, [&](int x, int y, int u, int v) {
      const bool rim = std::abs(u) > 11 || std::abs(v) > 6;
      canvas_[index(x, y)] = rim ? lit({206, 200, 188}, 256, grain_at(x, y, 4))
                                 : lit({88, 168, 190}, 256, grain_at(x, y, 6) + (v + u) / 2);
    });
  }

  // Height times shadow_percent along look_.shadow, swept in steps smaller than what casts it; never on roofs (they are
  // painted later).
  void cast_shadows() {
    const auto sweep = [&](int height, auto cast) {
      const int reach = height * look_.shadow_percent / 100;
      for (int step = 0; step <= reach; step += 2) cast(scaled(look_.shadow, step));
    };
    for (const House& house : scene_.houses) {
      if (!house.when.at(later_)) continue;
      for (const Block& block : house.blocks) {
        sweep(house.height, [&](Vec by) {
          for_rectangle(scene_.size, block.at + by, block.axis, block.half_length, block.half_width,
                        [&](int x, int y, int, int) { shade_[index(x, y)] = 255; });
        });
      }
    }
    for (const Tree& tree : scene_.trees) {
      if (!tree.when.at(later_)) continue;
      const Vec by = scaled(look_.shadow, tree.radius * look_.shadow_percent / 100);
      for_disc(scene_.size, tree.at + by, tree.radius, [&](int x, int y, int dx, int dy) {
        if (in_crown(tree, x, y, dx, dy)) shade_[index(x, y)] = 255;
      });
    }
    for (const Car& car : scene_.cars) {
      if (!car.when.at(later_)) continue;
      for_rectangle(scene_.size, car.at + scaled(look_.shadow, 3), car.axis, 9, 4,
                    [&](int x, int y, int, int) { shade_[index(x, y)] = 255; });
    }
    for (std::size_t i = 0; i < canvas_.size(); ++i) {
      if (shade_[i] == 0) continue;
      const Rgb c = canvas_[i];
      canvas_[i] = {c.r * 112 / 256, c.g * 118 / 256, c.b * 134 / 256};  // skylight is blue
    }
  }

  void paint_car(const Car& car) {
    for_rectangle(scene_.size, car.at, car.axis, 9, 4, [&](int x, int y, int u, int v) {
      const bool glass = (u >= 2 && u <= 5) || (u <= -5 && u >= -7);
      const Rgb body = kCars[car.colour];
      canvas_[index(x, y)] = glass && std::abs(v) < 4 ? Rgb{44, 50, 58} : lit(body, 256, -std::abs(v) * 3);
    });
  }

  void paint_house(const House& house) {
    const Vec to_sun{-look_.shadow.x, -look_.shadow.y};
    const Rgb colour =
        lit(kRoofs[house.colour], 256,
            static_cast<int>(hash(static_cast<std::uint32_t>(house.blocks[0].at.x), 3, scene_.noise_seed) % 17) - 8);
    for (std::size_t b = 0; b < house.blocks.size(); ++b) {
      const Block& block = house.blocks[b];
      for_rectangle(
          scene_.size, block.at, block.axis, block.half_length, block.half_width, [&](int x, int y, int u, int v) {
            const int own = roof_height(block, {x, y});
            for (std::size_t other = 0; other < house.blocks.size(); ++other) {
              const int height = roof_height(house.blocks[other], {x, y});
              if (height > own || (height == own && other < b)) return;  // that roof lies over this one
            }
            const int to_end = block.half_length - std::abs(u), to_side = block.half_width - std::abs(v);
            const bool end = block.roof == Roof::hip && to_end < to_side;
            const Vec across = perpendicular(block.axis);
            const Vec outward = end ? scaled(block.axis, u < 0 ? -kOne : kOne) : scaled(across, v < 0 ? -kOne : kOne);
            const int facing =
                (outward.x * (to_sun.x / 16) + outward.y * (to_sun.y / 16)) / (kOne / 16);  // cosine in 1/kOne
            const int light = 250 + facing * 66 / kOne;
            const int course = ((end ? to_end : to_side) / 2) % 2;  // rows of shingles
            int add = grain_at(x, y, 8) + (course != 0 ? 4 : -3) + (noise_.fine[index(x, y)] - 128) / 14;
            if (block.roof == Roof::hip ? std::abs(to_end - to_side) <= 1 || (!end && std::abs(v) <= 1)
                                        : std::abs(v) <= 1)
              add += 16;                                    // ridge
            if (std::min(to_end, to_side) <= 1) add -= 18;  // eaves
            canvas_[index(x, y)] = lit(colour, light, add);
          });
    }
  }

  static int roof_height(const Block& block, Vec p) {
    const int to_end = block.half_length - std::abs(along(p - block.at, block.axis));
    const int to_side = block.half_width - std::abs(along(p - block.at, perpendicular(block.axis)));
    if (to_end < 0 || to_side < 0) return -1;
    return block.roof == Roof::hip ? std::min(to_end, to_side) : to_side;
  }

  bool in_crown(const Tree& tree, int x, int y, int dx, int dy) const {
    return (dx * dx + dy * dy) * 256 <= tree.radius * tree.radius * (60 + noise_.fine[index(x, y)] * 3 / 2);
  }

  void paint_tree(const Tree& tree) {
    const Rgb base = mix(kTree[season_][0], kTree[season_][1], tree.tone);
    for_disc(scene_.size, tree.at, tree.radius, [&](int x, int y, int dx, int dy) {
      if (!in_crown(tree, x, y, dx, dy)) return;
      const int sunny = -(dx * look_.shadow.x + dy * look_.shadow.y) * 64 / (kOne * tree.radius);
      const int leaves = (noise_.fine[index(x, y)] - 128) / 3 + grain_at(x, y, 34);
      canvas_[index(x, y)] = lit(base, 256 + sunny + leaves, leaves / 4);
    });
  }

  // Canvas to photograph: 2 x 2 average at the shift, a slight blur, contrast, light, noise.
  Image develop() const {
    const int n = scene_.size / kSupersample;
    std::vector<std::array<int, 3>> small(static_cast<std::size_t>(n) * static_cast<std::size_t>(n));
    const auto at = [&](int x, int y) -> std::array<int, 3>& { return small[static_cast<std::size_t>(y * n + x)]; };
    for (int y = 0; y < n; ++y) {
      for (int x = 0; x < n; ++x) {
        Rgb sum;
        for (int s = 0; s < 4; ++s) {
          const int cx = std::clamp(2 * x + s % 2 + look_.shift.x, 0, scene_.size - 1);
          const int cy = std::clamp(2 * y + s / 2 + look_.shift.y, 0, scene_.size - 1);
          const Rgb& c = canvas_[index(cx, cy)];
          sum = {sum.r + c.r, sum.g + c.g, sum.b + c.b};
        }
        at(x, y) = {sum.r, sum.g, sum.b};
      }
    }
    Image out(n, n, 3);
    for (int y = 0; y < n; ++y) {
      for (int x = 0; x < n; ++x) {
        const int noise = grain(x, y, look_.noise_seed, look_.noise);
        for (std::size_t c = 0; c < 3; ++c) {
          const int left = at(std::max(x - 1, 0), y)[c], right = at(std::min(x + 1, n - 1), y)[c];
          const int up = at(x, std::max(y - 1, 0))[c], down = at(x, std::min(y + 1, n - 1))[c];
          const int value = (at(x, y)[c] * 28 + left + right + up + down) / 128;  // 4 samples, weights 28 + 4
          const int contrasted = (value - 110) * look_.contrast / 256 + 110;
          out.at(x, y)[c] = static_cast<std::uint8_t>(std::clamp(contrasted * look_.gain[c] / 256 + noise, 0, 255));
        }
      }
    }
    return out;
  }

  const Scene& scene_;
  const GroundNoise& noise_;
  bool later_;
  const Look& look_;
  int season_;
  std::vector<Rgb> canvas_;
  std::vector<std::uint8_t> shade_;
};

}  // namespace

Image render(const Scene& scene, const GroundNoise& noise, bool later, const Look& look) {
  return Painter(scene, noise, later, look).paint();
}

Image render_label(const Scene& scene) {
  Image canvas(scene.size, scene.size, 1);
  for (const Road& road : scene.roads) {
    if (!road.when.changes()) continue;
    for_road(scene.size, road.points, road.half_width, [&](int x, int y, int, int) { *canvas.at(x, y) = 128; });
  }
  for (const Road& road : scene.roads) {  // where it joins an old road nothing changed
    if (road.when.changes()) continue;
    for_road(scene.size, road.points, road.half_width, [&](int x, int y, int, int) { *canvas.at(x, y) = 0; });
  }
  for (const House& house : scene.houses) {
    if (!house.when.changes()) continue;
    for (const Block& block : house.blocks) {
      for_rectangle(scene.size, block.at, block.axis, block.half_length, block.half_width,
                    [&](int x, int y, int, int) { *canvas.at(x, y) = 255; });
    }
  }
  const int n = scene.size / kSupersample;
  Image label(n, n, 1);
  for (int y = 0; y < n; ++y) {
    for (int x = 0; x < n; ++x) {
      int buildings = 0, roads = 0;
      for (int s = 0; s < 4; ++s) {
        const std::uint8_t value = *canvas.at(2 * x + s % 2, 2 * y + s / 2);
        buildings += value == 255;
        roads += value == 128;
      }
      *label.at(x, y) = buildings >= 2 ? 255 : roads >= 2 ? 128 : 0;
    }
  }
  return label;
}

}  // namespace cp::synth
