#pragma once
// In:  last hidden states of the visual grid and of the prompt's end, the change map and flag where there are some.
// Out: how strongly each cell of a 64 x 64 grid speaks for being the point of the answer (docs/nano.md 5).
// Not here: what is done with the evidence (places.h), training (learn/evidence_net.h).

#include <span>
#include <string>
#include <vector>

#include "runtime/layers.h"
#include "formats/parameter.h"

namespace cp {

// What the change map's components say of every cell, three planes (3 side side): mass of the cell's component as a
// share of the largest one's (0 outside); the closest box centre, exp(-d^2 / (2 2^2)) of d cells times that share,
// largest of all components; log(1 + mass / 4) / 5 of the cell's component, mass = sum of probabilities.
std::vector<float> component_planes(std::span<const float> map);

class Evidence {
 public:
  static constexpr int kSide = 64;                // of the evidence
  static constexpr int kWork = 32;                // side at which the network works
  static constexpr int kWidth = 32;               // its channels
  static constexpr int kGlobal = 128;             // width of the vector that modulates them
  static constexpr int kShuffle = 8, kLift = 16;  // channels that a visual position's hidden state is spread into
  static constexpr int kDilations[4] = {1, 2, 4, 1};

  // Which sources are read: "hidden", "map" or "hidden+map"; `grid` the side of the visual grid, `hidden` the width.
  struct Shape {
    std::string sources = "hidden+map";
    int grid = 4, hidden = 256;
    bool reads_hidden() const { return sources != "map"; }
    bool reads_map() const { return sources != "hidden"; }
    bool shuffles() const { return kWork % grid == 0; }  // each position's own piece of the work grid
    int channels() const {
      return (reads_hidden() ? kLift + (shuffles() ? kShuffle : 0) : 0) + (reads_map() ? 5 * 4 : 0);
    }
  };

  struct Output {
    std::vector<float> places;  // (64 64) logits u
    double spread = 0;          // of the places round the cells' centres, in [-1, 1]
    double action_logit = 0;    // log-odds of a = +1
    double action_spread = 0;
  };

  // Throws UserError(model) for other sources, or a grid of one position.
  static void add_parameters(Parameters& parameters, const Shape& shape);
  static Evidence load(const SafeTensors& file, const Shape& shape);

  // `grid` (G G D), `last` (D); `map` (64 64) logits and `flag`, the calibrated log-odds of a change, are read only
  // when the shape says so.
  Output operator()(std::span<const float> grid, std::span<const float> last, std::span<const float> map,
                    double flag) const;

 private:
  std::vector<float> map_channels(std::span<const float> map) const;                                   // (1024 20)
  std::vector<float> hidden_channels(std::span<const float> grid, std::span<const float> last) const;  // (1024 24)

  Shape shape_;
  Norm norm_;
  Linear shuffle_, lift_, gate_, last_, in_, global_, film_, convs_[4], out_, action_;
  float map_scale_ = 0, flag_scale_ = 0, log_spread_ = 0, log_action_spread_ = 0;
};

}  // namespace cp
