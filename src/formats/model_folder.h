#pragma once
// In:  changepilot.json of a model folder: its parts, switches, calibration, and the sha256 of its files.
// Out: a ModelManifest whose every field was checked; the same written durably; files compared with their hashes.
// Not here: the parts themselves (safetensors.h, language_config.h, text/), what a switch does (runtime/, diffusion/).

#include <filesystem>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "core/json.h"

namespace cp {

// One field a line as in changepilot.json; docs/nano.md and docs/published.md say what each means. The values here are
// those of models/nano. A "path" is relative to the model folder and stays inside it; those of vision, language and
// adapter may instead be absolute: references to a Hugging Face or PEFT folder of the user.
struct ModelManifest {
  std::string name = "nano";

  struct Vision {
    std::string path = "vision";
    std::string kind = "efficientnet_lite";  // or clip_vit
  } vision;

  struct Language {
    std::string path = "language";
    std::string adapter;  // PEFT folder; empty: none
  } language;

  struct Fusion {
    std::string kind = "patch";  // or concat, subtract
    std::string file = "fusion.safetensors";
    std::vector<int> strides = {32, 16, 8};     // coarse to fine, each half of the one before; empty: rows of features
    int width = 64;                             // channels
    int map_size = 64;                          // the change map is map_size x map_size; 0: none
    int grid = 4;                               // the visual grid is grid x grid
    std::vector<int> token_strides = {32, 16};  // strides that the projector pools
    std::vector<std::string> concepts;          // concept words, in the order of the projector's outputs; may be empty

    // patch fusion of an encoder's strides (docs/nano.md); else of rows of features (docs/published.md)
    bool of_strides() const { return !strides.empty(); }
  } fusion;

  std::string template_name = "plain";                     // "template" in the file
  std::map<std::string, std::string> default_instruction;  // language ("en") -> text
  std::map<std::string, std::string> no_change_caption;    // language -> the fixed sentence of unchanged pairs

  // Changed when the logit is above `threshold`; p_zoom = sigmoid((logit - bias) / temperature).
  struct Flag {
    double threshold = 0, bias = 0, temperature = 1;
  } flag;

  struct Decoding {
    int beams = 3;
    double length_penalty = 0.7;
    int max_new_tokens = 40;
  } decoding;

  struct Head {
    std::string kind = "diffusion";  // or flow, regression, token, heatmap
    std::string file = "head.safetensors";
    std::string condition = "visual_attention";  // or last_token, pooled, queries, visual_grid, none
    std::string evidence = "hidden+map";         // what visual_grid reads: or hidden, map
    std::string schedule = "squared_cosine";     // names of schedule, sampler and spacing: diffusion/
    int train_steps = 1000;
    std::string sampler = "ddim";
    int steps = 50;
    std::string spacing = "trailing";
    int samples = 64;
    double snap_sigma = 0.25;        // in units of [-1, 1]; 0 = off
    std::string target = "largest";  // or union, centroid
    bool thought = false;            // of kind token: a chain of thought comes before the action
  } head;

  // Calibration of the region (docs/nano.md, section 6). The form of older models, one "level" with its "threshold", is
  // read as well.
  struct Region {
    struct Level {
      double level = 0.9;      // wanted coverage, (0, 1)
      double threshold = 0.9;  // cumulative weight, (0, 1]
      bool operator==(const Level&) const = default;
    };
    // What draws the samples; a threshold holds for the one that it was calibrated with.
    struct Sampler {
      std::string kind;  // as head.sampler
      int steps = 0;
      std::string spacing;
      int samples = 0;
      bool operator==(const Sampler&) const = default;
    };

    double level = 0.9;                  // the one that an answer carries; among `levels`
    std::vector<Level> levels{Level{}};  // rising
    double map_share = 1;                // of the change map in the weights of the places; the rest is the samples'
    std::string target = "largest";      // what the region holds: see head.target
    std::optional<Sampler> sampler;      // none: the thresholds do not depend on samples
    int n = 0;                           // scenes that calibrated it; 0: not calibrated
    std::string method = "split_conformal";

    double threshold() const;  // of `level`
  } region;

  // When an answer hovers instead of pointing (docs/nano.md, section 6).
  struct Abstain {
    double area = 1;  // share of the image above which a region says nothing; 1: never
  } abstain;

  std::map<std::string, std::string> files;  // path -> sha256 in lower-case hex
  Json training = Json::object();            // free: seeds, command, versions
};

inline constexpr int kManifestVersion = 1;
inline constexpr const char* kManifestFile = "changepilot.json";

// Throws UserError(model) that names the field: absent, unknown, of another type, out of range, a path that leaves the
// folder, another version.
ModelManifest read_manifest(const std::filesystem::path& folder);
ModelManifest parse_manifest(std::string_view json, const std::string& where);

// Durable. Checks as the reader does, so that nothing is written that could not be read.
void write_manifest(const std::filesystem::path& folder, const ModelManifest& manifest);

// `path` of a part inside `folder`; absolute references are left as they are.
std::filesystem::path part_path(const std::filesystem::path& folder, const std::string& path);

// Compares every listed file with its sha256; one UserError(model) lists all that are missing, differ, or should be
// listed and are not (fusion.file, head.file).
void verify_files(const std::filesystem::path& folder, const ModelManifest& manifest);

// Sets `files` to the hashes of all files under `folder` but changepilot.json and README.md (text for people, which may
// be edited) and hidden files; of a referenced folder, its *.json and *.safetensors.
void fill_hashes(const std::filesystem::path& folder, ModelManifest& manifest);

}  // namespace cp
