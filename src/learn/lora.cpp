#include "learn/lora.h"

#include <cmath>

#include "core/error.h"
#include "learn/fused_ops.h"

namespace cp {

LoraSet::LoraSet(const LoraConfig& config, const std::vector<LinearShape>& base, std::uint64_t seed)
    : params(seed), config_(config) {
  Parameters weights;
  for (const LinearShape& target : lora_targets(base, config)) {
    const int rank = lora_rank(config, target.name);
    weights.uniform(lora_tensor_name(target.name, 'A'), {rank, target.in},
                    1 / std::sqrt(static_cast<double>(target.in)));
    weights.constant(lora_tensor_name(target.name, 'B'), {target.out, rank}, 0.0);
    scales_[target.name] = lora_scale(config, target.name);
  }
  params.add(weights);
}

at::Tensor LoraSet::delta(const at::Tensor& x, const std::string& module, bool training) const {
  CP_CHECK(has(module), module);
  return low_rank(x, params[lora_tensor_name(module, 'A')], params[lora_tensor_name(module, 'B')], scales_.at(module),
                  training ? config_.dropout : 0);
}

std::map<std::string, LoraModule> LoraSet::modules() const {
  std::map<std::string, LoraModule> modules;
  for (const auto& [name, scale] : scales_)
    modules[name] = {to_floats(params[lora_tensor_name(name, 'A')]), to_floats(params[lora_tensor_name(name, 'B')]),
                     lora_rank(config_, name), scale};
  return modules;
}

void LoraSet::load(const std::map<std::string, LoraModule>& modules) {
  CP_CHECK(modules.size() == scales_.size(), "an adapter of other modules");
  at::NoGradGuard no_grad;
  for (const auto& [name, module] : modules) {
    CP_CHECK(has(name) && scales_.at(name) == module.scale, name);
    const auto fill = [&](char matrix, const std::vector<float>& values) {
      at::Tensor& tensor = params[lora_tensor_name(name, matrix)];
      CP_CHECK(static_cast<std::size_t>(tensor.numel()) == values.size(), name);
      tensor.copy_(at::tensor(values).view(tensor.sizes()));
    };
    fill('A', module.a);
    fill('B', module.b);
  }
}

}  // namespace cp
