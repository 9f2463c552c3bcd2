#pragma once
// In:  what results.h read.
// Out: the sections of the experiment report, each a piece of HTML; what was not measured says so.
// Not here: their order (report.h), figures (figures.h).

#include <filesystem>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "formats/language_config.h"
#include "formats/model_folder.h"
#include "report/cases.h"
#include "report/html.h"
#include "report/results.h"

namespace cp {

// A score that is shown: where it stands, what it is called, how it is printed.
struct Measure {
  const char* path;
  const char *english, *chinese;
  int decimals = 3;
  bool lower_is_better = false;
};

// The main scores, in the order in which they are shown.
std::span<const Measure> main_measures();

// "0.553 <interval>" or "not measured".
std::string score_cell(const Say& say, const std::optional<Score>& score, int decimals);
// The blind floor of a score: a constant sentence, the majority class, the centre of the image.
std::optional<Score> blind_floor(const Json& metrics, const std::string& path);
// A difference with its sign; green or red only where the interval leaves zero out.
std::string difference_cell(const Say& say, const std::optional<Score>& difference, const Measure& measure);
// For captions: the model's own flag picks one of two fixed sentences.
std::optional<Score> flag_floor(const Json& metrics, const std::string& path);

// A table with a caption, in a box that scrolls by itself where the page is narrow. Cells are HTML.
class HtmlTable {
 public:
  explicit HtmlTable(std::string caption) : caption_(std::move(caption)) {}
  // The first is a row's name; `numbers` right-aligns the others.
  void head(std::vector<std::string> cells) { head_ = std::move(cells); }
  void row(const std::string& name, const std::vector<std::string>& cells);
  void group(const std::string& name);
  std::string html() const;

 private:
  std::string caption_, rows_;
  std::vector<std::string> head_;
};

// What a model folder says of itself.
struct ModelFacts {
  ModelManifest manifest;
  LanguageConfig language;
  int image_size = 0;                                        // px; 0: not stated
  std::vector<std::pair<std::string, std::uint64_t>> files;  // weights and their bytes
};
// Throws UserError(model).
ModelFacts read_model_facts(const std::filesystem::path& folder);

std::string headline_section(const Say& say, const Validation& validation);
std::string model_section(const Say& say, const std::optional<ModelFacts>& model, const Validation* validation);
std::string results_section(const Say& say, const Validation& validation);
std::string ablation_section(const Say& say, std::span<const Validation> validations);
std::string cases_section(const Say& say, std::span<const CaseStudy> cases, bool has_pairs);
std::string performance_section(const Say& say, const Validation* validation, const std::optional<ModelFacts>& model,
                                std::span<const TrainingLog> runs);
std::string training_section(const Say& say, std::span<const TrainingLog> runs);
std::string thought_section(const Say& say, std::span<const Validation> validations);

}  // namespace cp
