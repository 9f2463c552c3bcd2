#include "learn/evidence_net.h"

#include <cmath>

#include <ATen/Parallel.h>

#include <algorithm>

#include "core/error.h"
#include "core/parallel.h"
#include "runtime/places.h"

namespace cp {
namespace {

// (S) centres of the cells of one axis in [-1, 1].
at::Tensor centres_of(const at::Tensor& evidence) {
  const std::int64_t side = evidence.size(-1);
  return (at::arange(side, evidence.options()) * 2 + 1) / static_cast<double>(side) - 1;
}

// What all the sums over the grid need: weights of one axis each (B R S), the largest 1, and the rows' sums and
// moments.
struct Sums {
  at::Tensor across, down;                  // (B R S)
  at::Tensor row_sums;                      // (B R S): sum over columns of w across
  at::Tensor row_moments;                   // (B R S): the same times the column's centre
  at::Tensor nearest_across, nearest_down;  // (B R 1) squared distances that were taken out
};

Sums sums_of(const at::Tensor& evidence, const at::Tensor& x, const at::Tensor& alpha, const at::Tensor& variance) {
  const at::Tensor centres = centres_of(evidence);
  const at::Tensor weight = (evidence - evidence.amax({1, 2}, true)).clamp_min(Places::kFloor).exp();
  Sums s;
  const auto axis = [&](std::int64_t coordinate, at::Tensor& nearest) {
    const at::Tensor d2 = (x.slice(2, coordinate, coordinate + 1) - alpha * centres).square();  // (B R S)
    nearest = d2.amin(-1, true);
    return ((nearest - d2) / (2 * variance)).exp();
  };
  s.across = axis(0, s.nearest_across);
  s.down = axis(1, s.nearest_down);
  const at::Tensor turned = weight.transpose(1, 2);  // (B column row)
  s.row_sums = at::bmm(s.across, turned);
  s.row_moments = at::bmm(s.across * centres, turned);
  return s;
}

}  // namespace

HiddenBatch HiddenBatch::rows(const at::Tensor& index) const {
  const auto choose = [&](const at::Tensor& of) {
    if (!of.defined()) return of;
    const at::Tensor rows = of.index_select(0, index.to(of.device()));
    return rows.scalar_type() == at::kHalf ? rows.to(at::kFloat) : rows;
  };
  return {choose(grid), choose(last), choose(map), choose(planes), choose(flag), choose(visual), choose(read)};
}

void set_map(HiddenBatch& hidden, const at::Tensor& map, const at::Tensor& flag_log_odds) {
  hidden.map = map.detach();
  hidden.flag = flag_log_odds.detach();
  const at::Tensor logits = hidden.map.cpu().to(at::kFloat).contiguous();
  const std::int64_t rows = logits.size(0), side = logits.size(1), cells = side * side;
  at::Tensor planes = at::empty({rows, 3, side, side});
  for_each_index(static_cast<std::size_t>(rows), at::get_num_threads(), [&](std::size_t row) {
    const auto i = static_cast<std::int64_t>(row);
    const std::vector<float> found =
        component_planes({logits.const_data_ptr<float>() + i * cells, static_cast<std::size_t>(cells)});
    std::copy(found.begin(), found.end(), planes.data_ptr<float>() + i * 3 * cells);
  });
  hidden.planes = planes.to(hidden.map.options());
}

at::Tensor PlacesBatch::clean(const at::Tensor& x, const at::Tensor& alpha, const at::Tensor& sigma) const {
  const auto gain = [&](const at::Tensor& sd, at::Tensor& variance) {
    variance = (alpha * sd).square() + sigma.square();
    return alpha * sd.square() / variance;
  };
  at::Tensor variance, action_variance;
  const at::Tensor k = gain(spread, variance), action_k = gain(action_spread, action_variance);
  const Sums s = sums_of(evidence, x, alpha, variance);
  const at::Tensor centres = centres_of(evidence);
  const at::Tensor both = s.row_sums * s.down;
  const at::Tensor total = both.sum(-1, true);
  const at::Tensor u = (s.row_moments * s.down).sum(-1, true) / total, v = (both * centres).sum(-1, true) / total;
  const at::Tensor a = x.slice(2, 2, 3);
  const at::Tensor sign = (action_logit.view({-1, 1, 1}) / 2 + alpha * a / action_variance).tanh();
  const at::Tensor places = (1 - k * alpha) * at::cat({u, v}, 2) + k * x.slice(2, 0, 2);
  return at::cat({places, (1 - action_k * alpha) * sign + action_k * a}, 2);
}

at::Tensor PlacesBatch::mean() const {
  const std::int64_t side = evidence.size(-1);
  const at::Tensor weight = evidence.flatten(1).softmax(1).view({-1, side, side}), centres = centres_of(evidence);
  return at::stack({(weight.sum(1) * centres).sum(1), (weight.sum(2) * centres).sum(1), (action_logit / 2).tanh()}, 1);
}

at::Tensor PlacesBatch::log_density(const at::Tensor& x) const {
  const at::Tensor variance = spread.square(), one = at::ones({1, 1, 1}, x.options());
  const Sums s = sums_of(evidence, x, one, variance);
  const at::Tensor log_weights =
      (evidence - evidence.amax({1, 2}, true)).clamp_min(Places::kFloor).flatten(1).logsumexp(1, true);  // (B 1)
  const at::Tensor inside = (s.row_sums * s.down).sum(-1).clamp_min(1e-30).log();                        // (B R)
  return inside - ((s.nearest_across + s.nearest_down) / (2 * variance)).squeeze(-1) - log_weights -
         (2 * M_PI * variance).log();
}

at::Tensor PlacesBatch::log_action(const at::Tensor& x) const {
  return at::log_sigmoid(action_logit.unsqueeze(1) * x.select(2, 2).sign());
}

PlacesBatch evidence_places(const ParamSet& p, const Evidence::Shape& shape, const HiddenBatch& hidden, double dropout,
                            bool training) {
  std::vector<at::Tensor> parts;
  at::Tensor last;
  if (shape.reads_map()) {
    CP_CHECK(hidden.map.defined() && hidden.planes.defined() && hidden.flag.defined(), "evidence: no change map");
    const at::Tensor h = hidden.map.unsqueeze(1);
    parts.push_back(at::pixel_unshuffle(at::cat({h.sigmoid(), h / 6, hidden.planes}, 1), 2));
  }
  if (shape.reads_hidden()) {
    CP_CHECK(hidden.grid.defined() && hidden.grid.size(1) == shape.grid * shape.grid, "evidence: no visual grid");
    const at::Tensor grid = p.layer_norm(hidden.grid, "evidence.norm");  // (B N D)
    last = p.layer_norm(hidden.last, "evidence.norm");
    const auto as_picture = [&](const at::Tensor& x) {
      return x.transpose(1, 2).reshape({x.size(0), x.size(2), shape.grid, shape.grid});
    };
    if (shape.shuffles())
      parts.push_back(at::pixel_shuffle(as_picture(p.linear(grid, "evidence.shuffle")), Evidence::kWork / shape.grid));
    const at::Tensor gate = p.linear(last, "evidence.gate").tanh().unsqueeze(1);
    parts.push_back(at::upsample_bilinear2d(as_picture(p.linear(grid, "evidence.lift") * gate),
                                            {Evidence::kWork, Evidence::kWork}, false));
  }
  at::Tensor f = at::gelu(p.conv(at::cat(parts, 1), "evidence.in", 0));  // (B 32 32 32)
  at::Tensor g = p.linear(at::cat({f.mean({2, 3}), f.amax({2, 3})}, 1), "evidence.global");
  if (last.defined()) g = g + p.linear(last, "evidence.last");
  g = at::silu(g);
  const at::Tensor film = p.linear(g, "evidence.film").unsqueeze(2).unsqueeze(3);
  f = f * (1 + film.slice(1, 0, Evidence::kWidth)) + film.slice(1, Evidence::kWidth);
  for (int i = 0; i < 4; ++i) {
    const std::string name = "evidence.conv." + std::to_string(i);
    const std::int64_t d = Evidence::kDilations[i];
    f = f + at::gelu(at::conv2d(at::feature_dropout(f, dropout, training), p[name + ".weight"], p[name + ".bias"],
                                {1, 1}, {d, d}, {d, d}));
  }
  PlacesBatch out;
  out.evidence = at::pixel_shuffle(p.conv(f, "evidence.out", 0), 2).squeeze(1);
  out.action_logit = p.linear(g, "evidence.action").squeeze(1);
  if (shape.reads_map()) {
    out.evidence = out.evidence + p["evidence.map_scale"] * hidden.map;
    out.action_logit = out.action_logit + p["evidence.flag_scale"] * hidden.flag;
  }
  out.spread = p["evidence.log_spread"].exp();
  out.action_spread = p["evidence.log_action_spread"].exp();
  return out;
}

}  // namespace cp
