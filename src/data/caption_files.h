#pragma once
// In:  files of captions that some system wrote, and files of references.
// Out: what was said of each picture, in the order of the references.
// Not here: scores (metrics/), captions for a data set to be made (convert.h).

#include <filesystem>
#include <string>
#include <vector>

namespace cp {

inline constexpr std::size_t kMaxCaptionBytes = 4000;  // longer ones are no captions; METEOR would take minutes

struct References {
  std::string name;     // of the picture
  std::string id;       // another name: COCO's number; empty without one
  std::string split;    // empty where the file names none
  int changeflag = -1;  // 1 changed, 0 not, -1 the file does not say
  std::vector<std::string> captions;
};

// - LEVIR-CC's layout {"images": [{"filename", "split", "changeflag", "sentences"}]};
// - COCO's annotations {"images": [{"id", "file_name"}], "annotations": [{"image_id", "caption"}]};
// - JSON lines {"name", "references": [...], "split"?, "changeflag"?}.
// `split` keeps the pictures of one split; empty keeps all. Every picture has a reference. Throws UserError(data).
std::vector<References> read_references(const std::filesystem::path& file, const std::string& split = "");

struct Prediction {
  std::string name;  // empty: known by its place
  std::string caption;
};

// - JSON lines {"name" or "filename" or "image_id", "caption"};
// - COCO's results [{"image_id", "caption"}], or a list of such lines;
// - a JSON object {name: caption};
// - .csv: name, caption; a first row that starts with name, file, filename, image or image_id is a heading;
// - any other text: one caption a line, an empty line is an empty caption.
// Throws UserError(data).
std::vector<Prediction> read_predictions(const std::filesystem::path& file);

// One caption a picture, in the order of `references`. Names are compared without folder and ending; nameless
// predictions go by their place. Throws UserError(data, where) for a name that is unknown, said twice or missing, and
// for another number of lines.
std::vector<std::string> captions_of(const std::vector<References>& references,
                                     const std::vector<Prediction>& predictions, const std::string& where);

}  // namespace cp
