// The memory table of train --dry-run.
#include <cstdio>

#include <fmt/format.h>

#include "core/json.h"
#include "learn/memory_plan.h"
#include "learn/published_recipe.h"
#include "learn/train.h"

namespace cp {
namespace {

OrderedJson to_json(const std::string& stage, int batch, const MemoryPlan& plan) {
  OrderedJson items = OrderedJson::object();
  for (const MemoryPlan::Item& item : plan.items) items[item.name] = static_cast<std::int64_t>(item.bytes);
  return {{"stage", stage}, {"batch", batch}, {"bytes", items}, {"total", static_cast<std::int64_t>(plan.total())}};
}

std::string to_text(const std::string& stage, int batch, const std::string& device, const MemoryPlan& plan) {
  std::string text = fmt::format("stage {}, {} pairs in a batch, {}\n", stage, batch, device);
  for (const MemoryPlan::Item& item : plan.items)
    text += fmt::format("  {:<12}{:>11}   {}\n", item.name, show_bytes(item.bytes), item.what);
  return text + fmt::format("  {:<12}{:>11}\n", "peak", show_bytes(plan.total()));
}

}  // namespace

int print_memory_plan(const PublishedConfig& config, bool json) {
  PublishedRecipe recipe(config);
  const PublishedData data = read_published_data(config);
  const MemoryPlanner planner(config, data);
  OrderedJson all = OrderedJson::array();
  for (const std::string& stage : recipe.stages()) {
    const int batch = planner.batch_size(stage);
    const MemoryPlan plan = planner.plan(stage, batch);
    if (json)
      all.push_back(to_json(stage, batch, plan));
    else
      std::printf("%s", to_text(stage, batch, config.device, plan).c_str());
  }
  if (json) std::printf("%s\n", OrderedJson{{"device", config.device}, {"stages", all}}.dump(2).c_str());
  std::fflush(stdout);
  if (recipe.memory_limit() > 0) planner.refuse_what_will_not_fit(recipe.stages(), recipe.memory_limit());
  return 0;
}

}  // namespace cp
