// Reading, writing and verifying changepilot.json.
#include "formats/model_folder.h"

#include <algorithm>
#include <numeric>

#include <fmt/format.h>

#include "core/file.h"
#include "core/thread_pool.h"
#include "formats/json_fields.h"

namespace cp {
namespace {

namespace fs = std::filesystem;

constexpr std::uint64_t kMaxManifestBytes = std::uint64_t{16} << 20;
constexpr const char* kCardFile = "README.md";
const std::vector<std::string> kTargets{"largest", "union", "centroid"};

// Stays inside the folder: relative, without "..", in the one spelling that has no detours.
bool stays_inside(const std::string& text) {
  if (text.empty() || text.find('\0') != std::string::npos || text.find('\\') != std::string::npos) return false;
  const fs::path path(text);
  if (path.is_absolute() || path.lexically_normal() != path || path == "." || text.back() == '/') return false;
  return std::none_of(path.begin(), path.end(), [](const fs::path& part) { return part == ".."; });
}

bool is_reference(const std::string& text) {
  return text.find('\0') == std::string::npos && fs::path(text).is_absolute() &&
         fs::path(text).lexically_normal() == fs::path(text);
}

std::string inside_path(JsonFields& fields, const std::string& key) {
  std::string path = fields.text(key);
  if (!stays_inside(path)) fields.refuse(key, fmt::format("wanted a path inside the model folder, found \"{}\"", path));
  return path;
}

std::string part_or_reference(JsonFields& fields, const std::string& key) {
  std::string path = fields.text(key);
  if (!stays_inside(path) && !is_reference(path))
    fields.refuse(key, fmt::format("wanted a path inside the model folder or an absolute one, found \"{}\"", path));
  return path;
}

ModelManifest::Fusion read_fusion(JsonFields fields) {
  ModelManifest::Fusion fusion;
  fusion.kind = fields.choice("kind", {"patch", "concat", "subtract"});
  fusion.file = inside_path(fields, "file");
  fusion.strides = fields.whole_list("strides", 1, 1024);
  if (fusion.kind != "patch" && fusion.of_strides())
    fields.refuse("strides", fmt::format("wanted none with \"{}\", which reads one row of features", fusion.kind));
  for (std::size_t i = 1; i < fusion.strides.size(); ++i)
    if (fusion.strides[i] * 2 != fusion.strides[i - 1])
      fields.refuse("strides", fmt::format("wanted each to be half of the one before, found {} after {}",
                                           fusion.strides[i], fusion.strides[i - 1]));
  fusion.width = fields.whole("width", 1, 65536);
  const bool has_map = fusion.kind == "patch";
  fusion.map_size = fields.whole("map_size", has_map ? 1 : 0, has_map ? 4096 : 0);
  fusion.grid = fields.whole("grid", 1, has_map ? 256 : 1);
  if (fusion.of_strides() && fusion.map_size % fusion.grid != 0)
    fields.refuse("grid", fmt::format("wanted a divisor of map_size {}, found {}", fusion.map_size, fusion.grid));
  fusion.token_strides = fields.whole_list("token_strides", 1, 1024);
  for (const int stride : fusion.token_strides)
    if (std::count(fusion.strides.begin(), fusion.strides.end(), stride) == 0)
      fields.refuse("token_strides", fmt::format("{} is not one of \"strides\"", stride));
  fusion.concepts = fields.text_list("concepts");
  fields.finish();
  return fusion;
}

ModelManifest::Head read_head(JsonFields fields) {
  ModelManifest::Head head;
  head.kind = fields.choice("kind", {"diffusion", "flow", "regression", "token", "heatmap"});
  head.file = inside_path(fields, "file");
  head.condition =
      fields.choice("condition", {"visual_attention", "last_token", "pooled", "queries", "visual_grid", "none"});
  if (fields.has("evidence")) head.evidence = fields.choice("evidence", {"hidden+map", "hidden", "map"});
  head.schedule = fields.text("schedule");
  head.train_steps = fields.whole("train_steps", 1, 100'000);
  head.sampler = fields.text("sampler");
  head.steps = fields.whole("steps", 1, head.train_steps);
  head.spacing = fields.text("spacing");
  head.samples = fields.whole("samples", 1, 100'000);
  head.snap_sigma = fields.number("snap_sigma", 0, 100);
  head.target = fields.choice("target", kTargets);
  if (fields.has("thought")) head.thought = fields.boolean("thought");
  fields.finish();
  return head;
}

std::vector<ModelManifest::Region::Level> read_levels(JsonFields& fields) {
  const Json& list = fields.any("levels");
  if (!list.is_array() || list.empty()) fields.refuse("levels", "wanted a list of one or more levels");
  std::vector<ModelManifest::Region::Level> levels;
  for (const Json& entry : list) {
    JsonFields one(entry, fmt::format("{}, levels {}", fields.where(), levels.size() + 1));
    levels.push_back({one.number("level", 0, 1), one.number("threshold", 0, 1)});
    one.finish();
    if (levels.size() > 1 && !(levels.back().level > levels[levels.size() - 2].level &&
                               levels.back().threshold >= levels[levels.size() - 2].threshold))
      fields.refuse("levels", "wanted rising levels with thresholds that do not fall");
  }
  return levels;
}

ModelManifest::Region read_region(JsonFields fields, const ModelManifest::Head& head) {
  ModelManifest::Region region;
  region.level = fields.number("level", 0, 1);
  region.levels = fields.has("levels")
                      ? read_levels(fields)
                      : std::vector<ModelManifest::Region::Level>{{region.level, fields.number("threshold", 0, 1)}};
  if (std::none_of(region.levels.begin(), region.levels.end(), [&](const auto& l) { return l.level == region.level; }))
    fields.refuse("level", fmt::format("wanted one of \"levels\", found {}", region.level));
  if (fields.has("map_share")) region.map_share = fields.number("map_share", 0, 1);
  region.target = fields.has("target") ? fields.choice("target", kTargets) : head.target;
  if (fields.has("sampler")) {
    JsonFields sampler = fields.object("sampler");
    region.sampler = {sampler.text("kind"), sampler.whole("steps", 1, 100'000), sampler.text("spacing"),
                      sampler.whole("samples", 1, 100'000)};
    sampler.finish();
  }
  region.n = fields.whole("n", 0);
  region.method = fields.text("method");
  fields.finish();
  return region;
}

OrderedJson region_json(const ModelManifest::Region& region) {
  OrderedJson levels = OrderedJson::array();
  for (const auto& [level, threshold] : region.levels) levels.push_back({{"level", level}, {"threshold", threshold}});
  OrderedJson json{
      {"level", region.level}, {"levels", levels}, {"map_share", region.map_share}, {"target", region.target}};
  if (const auto& sampler = region.sampler)
    json["sampler"] = {{"kind", sampler->kind},
                       {"steps", sampler->steps},
                       {"spacing", sampler->spacing},
                       {"samples", sampler->samples}};
  json["n"] = region.n;
  json["method"] = region.method;
  return json;
}

std::map<std::string, std::string> read_files(JsonFields& fields) {
  auto files = fields.text_map("files");
  for (const auto& [path, hash] : files) {
    if (!stays_inside(path) && !is_reference(path))
      fields.refuse("files", fmt::format("\"{}\" leaves the model folder", path));
    if (hash.size() != 64 || hash.find_first_not_of("0123456789abcdef") != std::string::npos)
      fields.refuse("files", fmt::format("\"{}\": wanted 64 lower-case hex digits, found \"{}\"", path, hash));
  }
  return files;
}

// Files of a folder that carry the model, as paths relative to it.
std::vector<fs::path> files_of(const fs::path& folder, bool own) {
  std::vector<fs::path> found;
  if (!fs::is_directory(folder)) throw UserError(ErrorKind::model, folder.string(), "is no folder.", "Check the path.");
  for (auto it = fs::recursive_directory_iterator(folder); it != fs::recursive_directory_iterator(); ++it) {
    const fs::path name = it->path().filename();
    const bool hidden = name.string().starts_with(".");
    if (it->is_directory() && (hidden || !own)) it.disable_recursion_pending();
    if (hidden || !it->is_regular_file()) continue;
    if (own && it.depth() == 0 && (name == kManifestFile || name == kCardFile)) continue;
    if (!own && name.extension() != ".json" && name.extension() != ".safetensors") continue;
    found.push_back(it->path().lexically_relative(folder));
  }
  return found;
}

}  // namespace

double ModelManifest::Region::threshold() const {
  const auto found =
      std::find_if(levels.begin(), levels.end(), [this](const Level& l) { return l.level == this->level; });
  CP_CHECK(found != levels.end(), "the region's level is not among its levels");
  return found->threshold;
}

ModelManifest parse_manifest(std::string_view text, const std::string& where) {
  const Json json = parse_json(text, where, ErrorKind::model);
  JsonFields fields(json, where);
  ModelManifest manifest;
  const int version = fields.whole("version", 1);
  if (version != kManifestVersion)
    fields.refuse("version", fmt::format("this program reads version {}, found {}", kManifestVersion, version),
                  "Use the program that wrote the folder, or convert it.");
  manifest.name = fields.text("name");

  JsonFields vision = fields.object("vision");
  manifest.vision.path = part_or_reference(vision, "path");
  manifest.vision.kind = vision.choice("kind", {"efficientnet_lite", "clip_vit"});
  vision.finish();

  JsonFields language = fields.object("language");
  manifest.language.path = part_or_reference(language, "path");
  if (language.has("adapter")) manifest.language.adapter = part_or_reference(language, "adapter");
  language.finish();

  manifest.fusion = read_fusion(fields.object("fusion"));
  manifest.template_name = fields.text("template");
  manifest.default_instruction = fields.text_map("default_instruction");
  manifest.no_change_caption = fields.text_map("no_change_caption");

  JsonFields flag = fields.object("flag");
  manifest.flag.threshold = flag.number("threshold", -1e6, 1e6);
  manifest.flag.bias = flag.number("bias", -1e6, 1e6);
  manifest.flag.temperature = flag.number("temperature", 1e-6, 1e6);
  flag.finish();

  JsonFields decoding = fields.object("decoding");
  manifest.decoding.beams = decoding.whole("beams", 1, 64);
  manifest.decoding.length_penalty = decoding.number("length_penalty", -10, 10);
  manifest.decoding.max_new_tokens = decoding.whole("max_new_tokens", 1, 256);
  decoding.finish();

  manifest.head = read_head(fields.object("head"));

  manifest.region = read_region(fields.object("region"), manifest.head);
  if (fields.has("abstain")) {
    JsonFields abstain = fields.object("abstain");
    manifest.abstain.area = abstain.number("area", 0, 1);
    abstain.finish();
  }

  manifest.files = read_files(fields);
  manifest.training = fields.any("training");
  if (!manifest.training.is_object()) fields.refuse("training", "wanted an object");
  fields.finish();
  return manifest;
}

ModelManifest read_manifest(const fs::path& folder) {
  const fs::path path = folder / kManifestFile;
  return parse_manifest(read_file(path, kMaxManifestBytes, ErrorKind::model), path.string());
}

namespace {

OrderedJson to_json(const ModelManifest& m) {
  OrderedJson json;
  json["version"] = kManifestVersion;
  json["name"] = m.name;
  json["vision"] = {{"path", m.vision.path}, {"kind", m.vision.kind}};
  json["language"]["path"] = m.language.path;
  if (!m.language.adapter.empty()) json["language"]["adapter"] = m.language.adapter;
  json["fusion"] = {{"kind", m.fusion.kind},
                    {"file", m.fusion.file},
                    {"strides", m.fusion.strides},
                    {"width", m.fusion.width},
                    {"map_size", m.fusion.map_size},
                    {"grid", m.fusion.grid},
                    {"token_strides", m.fusion.token_strides},
                    {"concepts", m.fusion.concepts}};
  json["template"] = m.template_name;
  json["default_instruction"] = m.default_instruction;
  json["no_change_caption"] = m.no_change_caption;
  json["flag"] = {{"threshold", m.flag.threshold}, {"bias", m.flag.bias}, {"temperature", m.flag.temperature}};
  json["decoding"] = {{"beams", m.decoding.beams},
                      {"length_penalty", m.decoding.length_penalty},
                      {"max_new_tokens", m.decoding.max_new_tokens}};
  json["head"] = {{"kind", m.head.kind},
                  {"file", m.head.file},
                  {"condition", m.head.condition},
                  {"schedule", m.head.schedule},
                  {"train_steps", m.head.train_steps},
                  {"sampler", m.head.sampler},
                  {"steps", m.head.steps},
                  {"spacing", m.head.spacing},
                  {"samples", m.head.samples},
                  {"snap_sigma", m.head.snap_sigma},
                  {"target", m.head.target}};
  if (m.head.thought) json["head"]["thought"] = true;
  if (m.head.condition == "visual_grid") json["head"]["evidence"] = m.head.evidence;
  json["region"] = region_json(m.region);
  json["abstain"] = {{"area", m.abstain.area}};
  json["files"] = m.files;
  json["training"] = m.training;
  return json;
}

}  // namespace

void write_manifest(const fs::path& folder, const ModelManifest& manifest) {
  const std::string text = to_json(manifest).dump(2) + "\n";
  parse_manifest(text, (folder / kManifestFile).string() + " (to be written)");
  write_file_durable(folder / kManifestFile, text);
}

fs::path part_path(const fs::path& folder, const std::string& path) {
  return folder / path;
}  // absolute stays absolute

void verify_files(const fs::path& folder, const ModelManifest& manifest) {
  // The longest first, so that no thread is left alone with it; what is wrong is listed in the manifest's order.
  const std::vector<std::pair<std::string, std::string>> files(manifest.files.begin(), manifest.files.end());
  std::vector<std::string> fault(files.size());
  std::vector<std::uintmax_t> size(files.size());
  std::vector<std::size_t> order(files.size());
  std::iota(order.begin(), order.end(), std::size_t{0});
  for (std::size_t i = 0; i < files.size(); ++i) {
    const fs::path file = part_path(folder, files[i].first);
    if (fs::is_regular_file(file))
      size[i] = fs::file_size(file);
    else
      fault[i] = fmt::format("\n  missing: {}", files[i].first);
  }
  std::stable_sort(order.begin(), order.end(), [&](std::size_t a, std::size_t b) { return size[a] > size[b]; });
  thread_pool().run(files.size(), [&](std::size_t piece) {
    const std::size_t i = order[piece];
    if (!fault[i].empty()) return;
    const auto& [path, hash] = files[i];
    const std::string now = sha256_hex_file(part_path(folder, path));
    if (now != hash) fault[i] = fmt::format("\n  differs: {} (sha256 wanted {}, found {})", path, hash, now);
  });
  std::string faults;
  for (const std::string& one : fault) faults += one;
  for (const std::string& part : {manifest.fusion.file, manifest.head.file})
    if (manifest.files.count(part) == 0) faults += fmt::format("\n  not listed: {}", part);
  if (!faults.empty())
    throw UserError(ErrorKind::model, (folder / kManifestFile).string(),
                    "files are not those it lists:" + faults + "\n", "Fetch the model again.");
}

void fill_hashes(const fs::path& folder, ModelManifest& manifest) {
  manifest.files.clear();
  for (const fs::path& file : files_of(folder, true))
    manifest.files[file.generic_string()] = sha256_hex_file(folder / file);
  for (const std::string& part : {manifest.vision.path, manifest.language.path, manifest.language.adapter}) {
    if (!is_reference(part)) continue;
    for (const fs::path& file : files_of(part, false))
      manifest.files[(fs::path(part) / file).string()] = sha256_hex_file(fs::path(part) / file);
  }
}

}  // namespace cp
