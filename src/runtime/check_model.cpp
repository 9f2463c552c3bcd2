#include "runtime/check_model.h"

#include <algorithm>
#include <optional>
#include <vector>

#include <fmt/format.h>

#include "runtime/model_parts.h"

namespace cp {

namespace {

// Runs steps and keeps what went wrong. A file that cannot be opened is named once, however many steps need it.
class Faults {
 public:
  template <class Step>
  void attempt(Step step) {
    try {
      step();
    } catch (const UserError& error) {
      const auto same = [&](const UserError& e) { return std::string(e.what()) == error.what(); };
      if (std::none_of(all_.begin(), all_.end(), same)) all_.push_back(error);
    }
  }

  void raise(const std::string& where) const {
    if (all_.empty()) return;
    if (all_.size() == 1) throw UserError(all_.front());
    std::string text;
    for (const UserError& fault : all_) text += fmt::format("\n- {}", fault.what());
    throw UserError(ErrorKind::model, where, fmt::format("{} faults:{}\n", all_.size(), text),
                    "Fetch the model again, or mend what is named.");
  }

 private:
  std::vector<UserError> all_;
};

}  // namespace

ModelManifest check_model(const std::filesystem::path& folder) {
  const ModelManifest m = read_manifest(folder);
  const std::string where = (folder / kManifestFile).string();
  check_supported(m, where);  // without it nobody knows what the parts should be
  const std::filesystem::path vision_folder = part_path(folder, m.vision.path),
                              language_folder = part_path(folder, m.language.path);
  Faults faults;
  faults.attempt([&] { verify_files(folder, m); });
  for (const std::filesystem::path& weights :
       {vision_folder, language_folder, part_path(folder, m.fusion.file), part_path(folder, m.head.file)})
    faults.attempt([&] { check_all_finite(SafeTensors::open(weights)); });
  faults.attempt([&] { head_sampling(m, where); });

  std::optional<VisionEncoder> vision;
  std::optional<LanguageConfig> language;
  faults.attempt([&] { vision = VisionEncoder::load(vision_folder, m.vision.kind); });
  if (vision) faults.attempt([&] { load_preprocess(vision_folder, vision->shape().size); });
  faults.attempt([&] { language = read_language_config(language_folder / "config.json"); });
  faults.attempt([&] { load_language(m, folder); });  // with its adapter
  if (language) {
    faults.attempt([&] { load_tokenizer(m, language_folder, *language); });
    if (vision) faults.attempt([&] { load_fusion(m, folder, *vision, language->hidden_size); });
    faults.attempt([&] { load_head(m, folder, language->hidden_size); });
  }
  faults.raise(folder.string());
  return m;
}

}  // namespace cp
