#include "formats/lora_config.h"

#include <algorithm>
#include <cmath>
#include <map>
#include <set>

#include <fmt/format.h>
#include <fmt/ranges.h>

#include "formats/json_fields.h"

namespace cp {
namespace {

constexpr int kMaxRank = 65536;
constexpr int kMaxLayer = 1023;  // as LanguageConfig
constexpr double kMinAlpha = 1e-9, kMaxAlpha = 1e9;

// Fields that say something about the adapter but do not enter what a trained one computes. eva_config and
// megatron_core are among them: the first tells how A started, the second names a library.
const std::set<std::string> kInformation = {"auto_mapping", "eva_config",        "inference_mode", "megatron_core",
                                            "peft_version", "qalora_group_size", "revision",       "runtime_config"};

// What the other fields of PEFT 0.21 do when they are active.
const std::map<std::string, const char*> kUnsupported = {
    {"alora_invocation_tokens", "an adapter that is switched on by tokens (aLoRA)"},
    {"arrow_config", "routing between adapters (Arrow)"},
    {"corda_config", "CorDA, which changes the base model's weights"},
    {"ensure_weight_tying", "tied adapters"},
    {"exclude_modules", "a list of excluded modules"},
    {"fan_in_fan_out", "transposed weights"},
    {"kasa_config", "KaSA"},
    {"layer_replication", "replicated layers"},
    {"layers_pattern", "a pattern of layer names"},
    {"loftq_config", "LoftQ, which changes the base model's weights"},
    {"lora_bias", "a bias of B"},
    {"lora_ga_config", "LoRA-GA, which changes the base model's weights"},
    {"megatron_config", "Megatron's parallel layers"},
    {"modules_to_save", "modules saved whole beside the adapter"},
    {"monteclora_config", "MonteCLoRA"},
    {"target_parameters", "adapted parameters that are no linear module"},
    {"trainable_token_indices", "trained rows of the embedding"},
    {"use_bdlora", "block-diagonal LoRA"},
    {"use_dora", "DoRA"},
    {"use_qalora", "QA-LoRA"},
    {"velora_config", "VeLoRA"},
};

bool inactive(const Json& value) {
  return value.is_null() || value == false || value == "" || ((value.is_array() || value.is_object()) && value.empty());
}

bool plain_name(std::string_view name) {
  return !name.empty() && std::all_of(name.begin(), name.end(), [](char c) {
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '_' || c == '-' ||
           c == '.';
  });
}

// re.match("(.*\.)?(KEY)$", name), for plain keys and keys of the form ^PLAIN.
bool pattern_matches(std::string_view key, std::string_view name) {
  const bool whole = key.starts_with('^');
  if (whole) key.remove_prefix(1);
  if (key.size() > name.size()) return false;
  const std::size_t begin = name.size() - key.size();
  if (begin > 0 && (whole || name[begin - 1] != '.')) return false;
  return std::equal(key.begin(), key.end(), name.begin() + static_cast<std::ptrdiff_t>(begin),
                    [](char wanted, char found) { return wanted == '.' || wanted == found; });
}

template <class Value>
Value value_of(const std::vector<std::pair<std::string, Value>>& pattern, const std::string& module, Value otherwise) {
  for (const auto& [key, value] : pattern)
    if (pattern_matches(key, module)) return value;
  return otherwise;
}

// Entries of a rank or alpha pattern in the order of the file, which decides between two that match.
template <class Value, class Read>
std::vector<std::pair<std::string, Value>> read_pattern(JsonFields& fields, const OrderedJson& json,
                                                        const std::string& key, Read read) {
  std::vector<std::pair<std::string, Value>> pattern;
  if (!fields.has(key) || inactive(fields.any(key))) return pattern;
  JsonFields entries = fields.object(key);
  for (const auto& [name, ignored] : json[key].items()) {
    if (!plain_name(std::string_view(name).substr(name.starts_with('^') ? 1 : 0)))
      fields.refuse(key, fmt::format("\"{}\" is a regular expression, which is not supported", name),
                    "Name each module, or the end of its name (\"mlp.down_proj\"; \"^model...\" for a whole name).");
    pattern.emplace_back(name, read(entries, name));
  }
  return pattern;
}

std::vector<std::string> read_targets(JsonFields& fields) {
  const Json& targets = fields.any("target_modules");
  if (!targets.is_string()) {
    std::vector<std::string> list = fields.text_list("target_modules");
    if (list.empty()) fields.refuse("target_modules", "the list is empty");
    return list;
  }
  std::string text = targets.get<std::string>();
  std::string lower = text;  // PEFT compares the shorthand without case
  std::transform(lower.begin(), lower.end(), lower.begin(), [](char c) { return c >= 'A' && c <= 'Z' ? c + 32 : c; });
  if (lower == kAllLinear) return {kAllLinear};
  if (!plain_name(text))
    fields.refuse("target_modules", fmt::format("the regular expression \"{}\" is not supported", text),
                  "List the modules by name: [\"q_proj\", \"v_proj\"].");
  return {text};
}

std::vector<int> read_layers(JsonFields& fields) {
  if (!fields.has("layers_to_transform") || inactive(fields.any("layers_to_transform"))) return {};
  if (fields.any("layers_to_transform").is_array()) return fields.whole_list("layers_to_transform", 0, kMaxLayer);
  return {fields.whole("layers_to_transform", 0, kMaxLayer)};
}

// PiSSA, OLoRA, CorDA, LoftQ and LoRA-GA take their start out of the base model's weights, and PEFT does so again when
// it loads such an adapter: A and B alone do not give the model.
void check_start(JsonFields& fields) {
  const Json& start = fields.any("init_lora_weights");
  if (start.is_null() || start.is_boolean()) return;
  for (const char* harmless : {"gaussian", "orthogonal", "eva"})
    if (start == harmless) return;
  fields.refuse("init_lora_weights",
                fmt::format("{} is not supported, it may change the base model's weights", start.dump()),
                "Convert the adapter in PEFT: save_pretrained(..., path_initial_model_for_weight_conversion=...).");
}

void check_text(JsonFields& fields, const std::string& key, const char* wanted, const char* hint) {
  const std::string found = fields.text(key);
  if (found != wanted) fields.refuse(key, fmt::format("only \"{}\" is supported, found \"{}\"", wanted, found), hint);
}

// The number between the first two dots that enclose one and have a name before: "model.layers.3.mlp" -> 3; else -1.
int layer_of(const std::string& module) {
  std::size_t begin = module.find('.', module.find('.') + 1);  // PEFT wants two names in front
  while (begin != std::string::npos) {
    const std::size_t end = module.find('.', begin + 1);
    if (end == std::string::npos) return -1;
    const std::string part = module.substr(begin + 1, end - begin - 1);
    if (!part.empty() && part.size() <= 4 && part.find_first_not_of("0123456789") == std::string::npos)
      return std::stoi(part);
    begin = end;
  }
  return -1;
}

bool is_target(const std::string& module, const std::string& target) {
  return target == kAllLinear ? module != "lm_head" : module == target || module.ends_with("." + target);
}

}  // namespace

LoraConfig parse_lora_config(std::string_view text, const std::string& where) {
  const Json json = parse_json(text, where, ErrorKind::model);
  const OrderedJson ordered = OrderedJson::parse(text);
  JsonFields fields(json, where);
  const auto given = [&](const std::string& key) { return fields.has(key) && !fields.any(key).is_null(); };
  check_text(fields, "peft_type", "LORA", "Other kinds of adapters cannot be read.");
  if (given("bias")) check_text(fields, "bias", "none", "Train the adapter without biases.");
  if (fields.has("init_lora_weights")) check_start(fields);

  LoraConfig config;
  config.r = fields.whole("r", 1, kMaxRank);
  config.alpha = fields.number("lora_alpha", kMinAlpha, kMaxAlpha);
  config.dropout = given("lora_dropout") ? fields.number("lora_dropout", 0, std::nextafter(1.0, 0.0)) : 0.0;
  config.use_rslora = given("use_rslora") && json_bool(json, "use_rslora", where, ErrorKind::model);
  config.target_modules = read_targets(fields);
  config.layers_to_transform = read_layers(fields);
  config.rank_pattern = read_pattern<int>(fields, ordered, "rank_pattern", [](JsonFields& entries, const auto& name) {
    return entries.whole(name, 1, kMaxRank);
  });
  config.alpha_pattern = read_pattern<double>(
      fields, ordered, "alpha_pattern",
      [](JsonFields& entries, const auto& name) { return entries.number(name, kMinAlpha, kMaxAlpha); });
  config.task_type = given("task_type") ? fields.text("task_type") : "";
  config.base_model_name_or_path =
      given("base_model_name_or_path") ? json_string(json, "base_model_name_or_path", where, ErrorKind::model) : "";

  static const std::set<std::string> kRead = {
      "peft_type",    "bias",          "init_lora_weights",      "r",         "lora_alpha",
      "lora_dropout", "use_rslora",    "target_modules",         "task_type", "layers_to_transform",
      "rank_pattern", "alpha_pattern", "base_model_name_or_path"};
  for (const auto& [key, value] : json.items()) {
    if (kRead.count(key) != 0 || kInformation.count(key) != 0 || inactive(value)) continue;
    const auto known = kUnsupported.find(key);
    if (known != kUnsupported.end()) fields.refuse(key, fmt::format("{} is not supported", known->second));
    fields.refuse(key, "unknown field, and its value may change what the adapter computes",
                  "Remove it if it does not, or convert the adapter with a PEFT version that lacks it.");
  }
  return config;
}

std::string lora_config_text(const LoraConfig& config) {
  OrderedJson json;
  json["peft_type"] = "LORA";
  json["task_type"] = config.task_type.empty() ? OrderedJson() : OrderedJson(config.task_type);
  json["base_model_name_or_path"] =
      config.base_model_name_or_path.empty() ? OrderedJson() : OrderedJson(config.base_model_name_or_path);
  json["inference_mode"] = true;
  json["r"] = config.r;
  json["lora_alpha"] = config.alpha;
  if (config.alpha == std::floor(config.alpha)) json["lora_alpha"] = static_cast<std::int64_t>(config.alpha);
  json["lora_dropout"] = config.dropout;
  json["use_rslora"] = config.use_rslora;
  json["target_modules"] = config.target_modules;
  if (config.target_modules == std::vector<std::string>{kAllLinear}) json["target_modules"] = kAllLinear;
  json["layers_to_transform"] = nullptr;
  if (!config.layers_to_transform.empty()) json["layers_to_transform"] = config.layers_to_transform;
  json["rank_pattern"] = OrderedJson::object();
  for (const auto& [key, rank] : config.rank_pattern) json["rank_pattern"][key] = rank;
  json["alpha_pattern"] = OrderedJson::object();
  for (const auto& [key, alpha] : config.alpha_pattern) json["alpha_pattern"][key] = alpha;
  json["bias"] = "none";
  json["fan_in_fan_out"] = false;
  json["init_lora_weights"] = true;
  json["modules_to_save"] = nullptr;
  json["use_dora"] = false;
  const std::string text = json.dump(2) + "\n";
  parse_lora_config(text, "adapter_config.json (to be written)");
  return text;
}

std::vector<LinearShape> lora_targets(const std::vector<LinearShape>& base, const LoraConfig& config,
                                      const std::string& where) {
  const auto refuse = [&](const char* field, const auto& value) {
    throw UserError(ErrorKind::model, where, fmt::format("\"{}\": the model has nothing named {}.", field, value),
                    "Check that the adapter belongs to this model; entries are plain names, or ends of them.");
  };
  const auto require = [&](const char* field, const auto& value, const auto& matches) {
    if (std::none_of(base.begin(), base.end(), [&](const LinearShape& linear) { return matches(linear.name); }))
      refuse(field, value);
  };
  for (const std::string& target : config.target_modules)
    require("target_modules", target, [&](const std::string& name) { return is_target(name, target); });
  for (const int layer : config.layers_to_transform)
    require("layers_to_transform", layer, [&](const std::string& name) { return layer_of(name) == layer; });
  for (const auto& [key, rank] : config.rank_pattern)
    require("rank_pattern", key, [&, &k = key](const std::string& name) { return pattern_matches(k, name); });
  for (const auto& [key, alpha] : config.alpha_pattern)
    require("alpha_pattern", key, [&, &k = key](const std::string& name) { return pattern_matches(k, name); });

  std::vector<LinearShape> targets;
  const auto& layers = config.layers_to_transform;
  for (const LinearShape& linear : base) {
    const auto names = [&](const std::string& target) { return is_target(linear.name, target); };
    const bool whole_name = std::count(config.target_modules.begin(), config.target_modules.end(), linear.name) != 0;
    const bool layer = layers.empty() || whole_name ||  // PEFT asks for the layer only of names given by their end
                       std::count(layers.begin(), layers.end(), layer_of(linear.name)) != 0;
    if (layer && std::any_of(config.target_modules.begin(), config.target_modules.end(), names))
      targets.push_back(linear);
  }
  if (targets.empty())
    throw UserError(ErrorKind::model, where, "no module of the model is adapted.", "Check target_modules.");
  return targets;
}

int lora_rank(const LoraConfig& config, const std::string& module) {
  return value_of(config.rank_pattern, module, config.r);
}

double lora_scale(const LoraConfig& config, const std::string& module) {
  const double rank = lora_rank(config, module);
  return value_of(config.alpha_pattern, module, config.alpha) / (config.use_rslora ? std::sqrt(rank) : rank);
}

}  // namespace cp
