#include "runtime/head_condition.h"

#include <algorithm>

#include "core/error.h"
#include "kernels/norm.h"

namespace cp {
namespace {

constexpr int kQueries = HeadCondition::kQueries, kKey = HeadCondition::kKey;

// Width of what `condition.out` reads.
int joined_width(const HeadShape& s) {
  if (s.condition == "last_token") return s.hidden;
  if (s.condition == "pooled") return 3 * s.hidden;
  if (s.condition == "queries") return HeadCondition::kReadout * s.hidden;
  return kQueries * kKey + kQueries * 2 + s.hidden;  // visual_attention
}

}  // namespace

void HeadCondition::add_parameters(Parameters& p, const HeadShape& s) {
  if (s.condition == "none") return p.normal("condition.constant", {kWidth}, 1);
  if (s.condition != "last_token" && s.condition != "pooled" && s.condition != "queries" &&
      s.condition != "visual_attention")
    throw UserError(
        ErrorKind::model, "head.condition",
        "wanted none, last_token, pooled, visual_attention, queries or visual_grid, found \"" + s.condition + "\"",
        "Use one of these.");
  if (s.condition == "visual_attention") {
    p.normal("condition.query", {kQueries, kKey}, 0.1);
    p.linear("condition.key", s.hidden, kKey);
    p.linear("condition.value", s.hidden, kKey);
  }
  if (s.condition == "queries") p.normal("condition.readout", {kReadout, s.hidden}, 0.1);
  p.linear("condition.out", joined_width(s), kWidth);
  p.norm("condition.norm", kWidth);
}

HeadCondition HeadCondition::load(const SafeTensors& file, const HeadShape& s) {
  HeadCondition c;
  c.shape_ = s;
  if (s.condition == "none") {
    c.constant_ = load_floats(file, "condition.constant", {kWidth});
    return c;
  }
  if (s.condition == "visual_attention") {
    c.query_ = load_floats(file, "condition.query", {kQueries, kKey});
    c.key_ = load_linear(file, "condition.key", kKey, s.hidden);
    c.value_ = load_linear(file, "condition.value", kKey, s.hidden);
  }
  if (s.condition == "queries") c.readout_ = load_floats(file, "condition.readout", {kReadout, s.hidden});
  c.out_ = load_linear(file, "condition.out", kWidth, joined_width(s));
  c.norm_ = load_norm(file, "condition.norm", kWidth);
  return c;
}

std::vector<float> HeadCondition::operator()(const HeadInput& input) const {
  if (shape_.condition == "none") return constant_;
  const std::size_t d = static_cast<std::size_t>(shape_.hidden);
  const std::size_t cells = static_cast<std::size_t>(shape_.grid) * static_cast<std::size_t>(shape_.grid);
  const std::span<const float> last = input.prompt.last(d);
  const auto grid = [&] { return input.prompt.subspan(static_cast<std::size_t>(input.visual_begin) * d, cells * d); };
  std::vector<float> joined;
  if (shape_.condition == "queries") {
    CP_CHECK(input.read.size() == kReadout * d, "HeadCondition: no states of the readout tokens");
    joined.assign(input.read.begin(), input.read.end());
  } else if (shape_.condition == "pooled") {
    const Pooled pooled = pool_rows(grid(), d);
    joined = pooled.mean;
    joined.insert(joined.end(), pooled.largest.begin(), pooled.largest.end());
    joined.insert(joined.end(), last.begin(), last.end());
  } else if (shape_.condition == "visual_attention") {
    const std::vector<float> keys = key_(grid()), values = value_(grid());  // (16 64) each
    std::vector<float> mixed(kQueries * kKey), places(kQueries * 2), weights(cells);
    for (std::size_t q = 0; q < kQueries; ++q) {
      for (std::size_t n = 0; n < cells; ++n) weights[n] = dot(query_.data() + q * kKey, keys.data() + n * kKey, kKey);
      softmax(weights, static_cast<int>(cells));
      for (std::size_t n = 0; n < cells; ++n) {
        axpy(weights[n], values.data() + n * kKey, mixed.data() + q * kKey, kKey);
        const float column = static_cast<float>(n % static_cast<std::size_t>(shape_.grid));
        const float row = static_cast<float>(n / static_cast<std::size_t>(shape_.grid));
        places[2 * q] += weights[n] * ((column + 0.5f) / static_cast<float>(shape_.grid) * 2 - 1);
        places[2 * q + 1] += weights[n] * ((row + 0.5f) / static_cast<float>(shape_.grid) * 2 - 1);
      }
    }
    joined.insert(joined.end(), mixed.begin(), mixed.end());
    joined.insert(joined.end(), places.begin(), places.end());
    joined.insert(joined.end(), last.begin(), last.end());
  } else {
    joined.assign(last.begin(), last.end());
  }
  std::vector<float> c = out_(joined);
  layer_norm(c, kWidth, norm_.weight, norm_.bias, 1e-5f);
  return c;
}

}  // namespace cp
