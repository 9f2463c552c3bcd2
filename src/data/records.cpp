#include "data/records.h"

#include <algorithm>
#include <cmath>

#include <fmt/format.h>

#include "core/file.h"
#include "core/progress.h"
#include "core/rng.h"
#include "data/split.h"
#include "image/read.h"
#include "text/template.h"

namespace cp {
namespace {

namespace fs = std::filesystem;

// Splits come from the file as a whole or not at all: a half-named set would be split by two rules.
void set_splits(LevirIndex& index, std::uint64_t seed) {
  std::vector<std::string> names;
  for (const PairRecord& pair : index.pairs)
    if (pair.split.empty()) names.push_back(pair.name);
  if (names.empty()) return;
  if (names.size() != index.pairs.size())
    throw UserError(ErrorKind::data, index.root.string(),
                    fmt::format("{} of {} records name no split.", names.size(), index.pairs.size()),
                    "Give all records a \"split\" or none.");
  const std::vector<std::string> splits = draw_splits(names, seed);
  for (std::size_t i = 0; i < splits.size(); ++i) index.pairs[i].split = splits[i];
}

const std::string& draw_instruction(const std::string& caption, std::uint64_t seed, std::uint64_t number) {
  const auto& templates = instruction_templates(detect_language(caption));
  CP_CHECK(!templates.empty(), "every language has an instruction");
  return templates[Rng(seed, Stream::instruction_choice, 0, number).below(templates.size())];
}

double rounded(double value) { return std::round(value * 1e6) / 1e6; }  // six digits: far below a pixel

// A component's box lies on pixel edges: "12", not "12.0".
OrderedJson whole_numbers(std::initializer_list<double> values) {
  OrderedJson list = OrderedJson::array();
  for (const double value : values) list.push_back(static_cast<int>(value));
  return list;
}

}  // namespace

std::vector<InstructionRecord> build_records(const fs::path& root, const RecordOptions& options) {
  const Target target = parse_target(options.target);
  LevirIndex index = read_levir(root);
  set_splits(index, options.seed);

  std::vector<InstructionRecord> records;
  Progress progress("building", index.pairs.size(), "pairs");
  for (const PairRecord& pair : index.pairs) {
    InstructionRecord record;
    record.pair = pair;
    record.action.a = pair.changeflag;
    if (!pair.label.empty()) {
      const Image mask = read_mask(pair.label);
      record.width = mask.width;
      record.height = mask.height;
      record.components = find_components(mask, options.min_area);
      const bool empty = std::all_of(mask.pixels.begin(), mask.pixels.end(), [](auto value) { return value == 0; });
      record.agreement = flag_against_mask(pair.changeflag, empty);  // by the whole mask, whatever min_area leaves out
      record.action = make_action_target(mask, record.components, target, pair.changeflag);
    }
    for (const std::string& caption : pair.captions) {
      record.caption = caption;
      record.instruction = draw_instruction(caption, options.seed, records.size());
      record.caption_index = static_cast<int>(&caption - pair.captions.data());
      records.push_back(record);
    }
    progress.advance();
  }
  progress.finish();
  return records;
}

OrderedJson record_json(const InstructionRecord& record, const fs::path& root) {
  const auto relative = [&](const fs::path& path) { return path.lexically_relative(root).generic_string(); };
  OrderedJson components = OrderedJson::array();
  for (const Component& c : record.components)
    components.push_back({{"class", change_class_name(c.kind)},
                          {"box", whole_numbers({c.box.x0, c.box.y0, c.box.x1, c.box.y1})},
                          {"area", c.area},
                          {"centroid", {rounded(c.centroid.x), rounded(c.centroid.y)}}});
  OrderedJson json = {{"name", record.pair.name},
                      {"split", record.pair.split},
                      {"before", relative(record.pair.before)},
                      {"after", relative(record.pair.after)},
                      {"instruction", record.instruction},
                      {"caption", record.caption},
                      {"caption_index", record.caption_index},
                      {"changeflag", record.pair.changeflag},
                      {"action", {{"x", nullptr}, {"y", nullptr}, {"a", record.action.a}}}};
  if (record.action.has_point) {
    json["action"]["x"] = rounded(record.action.x);
    json["action"]["y"] = rounded(record.action.y);
  }
  if (record.pair.label.empty()) return json;
  json["label"] = relative(record.pair.label);
  json["flag_against_mask"] = agreement_name(record.agreement);
  json["size"] = {record.width, record.height};
  json["components"] = components;
  return json;
}

void write_records(const fs::path& file, const std::vector<InstructionRecord>& records, const fs::path& root) {
  std::string lines;
  for (const InstructionRecord& record : records) lines += record_json(record, root).dump() + "\n";
  write_file_durable(file, lines);
}

}  // namespace cp
