#pragma once
// In:  the pairs of a validation, the data folder, a model.
// Out: the pairs that a report shows, chosen by a fixed rule, with their images, truth and denoising steps.
// Not here: showing them (sections.h).

#include <filesystem>
#include <span>
#include <string>
#include <vector>

#include "image/image.h"
#include "report/results.h"
#include "runtime/session.h"

namespace cp {

enum class CaseKind { success, typical, failure, false_alarm };

struct CaseStudy {
  CaseKind kind = CaseKind::success;
  ReportedPair pair;
  Image before, after;                    // at most 256 px; empty when they are not here
  std::vector<std::vector<Point>> truth;  // outlines of the mask, fractions
  std::vector<std::vector<Point>> steps;  // the samples as noise and after each denoising step; empty without a model
};

// The rule, which the page states: of the changed pairs that do not contradict themselves and have a change in the mask
// - success:     right flag and point on the mask, highest CIDEr of the pair first
// - typical:     the pairs round the median CIDEr, whatever they hit
// - failure:     wrong flag or point off the mask: missed changes first, then by the distance to the target, largest
//                first
// and of the unchanged pairs that do not contradict themselves
// - false_alarm: flagged as changed, most certain first.
// At most `count` of each; equal ones in the order of the file. No pair stands twice.
std::vector<CaseStudy> choose_cases(std::span<const ReportedPair> pairs, std::size_t count);

// Reads images and masks below `data`. Names that leave the folder, missing and damaged images leave the case without
// pictures.
void load_images(const std::filesystem::path& data, std::vector<CaseStudy>& cases);

// Answers again on the full images with the seed and the number of samples of the validation, and keeps the steps of
// those pairs whose answer is the recorded one to 0.002 of the extent. Returns how many were not.
int load_steps(const Session& session, const std::filesystem::path& data, const Json& metrics,
               std::vector<CaseStudy>& cases);

}  // namespace cp
