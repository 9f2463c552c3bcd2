#include "cli/dataset.h"

#include <map>

#include <fmt/format.h>

#include "cli/parse.h"
#include "data/check.h"
#include "data/convert.h"
#include "data/records.h"

namespace cp {
namespace {

constexpr const char* kHelp =
    "changepilot dataset COMMAND ...\n\n"
    "  check DIR                         read every file of a data set and say what is wrong\n"
    "  build DIR --out records.jsonl     write instruction records\n"
    "  convert --before A --after B ...  make a data set from folders of images\n\n"
    "`changepilot dataset COMMAND --help` says more.\n";

void print(const std::string& text) { fmt::print("{}", text); }

int run_check(const std::vector<std::string>& args) {
  CommandLine line("dataset check", "Reads every file of a folder in LEVIR-CC layout and lists what is wrong or odd.");
  std::string root;
  bool json = false;
  line.positional("dir", root, "folder that holds LevirCCcaptions.json and images/");
  line.flag("json", json, "print the whole report as JSON");
  line.epilogue("Exit code 0: usable. 3: files missing, unreadable or of another size, captions not UTF-8.");
  if (!line.parse(args)) return 0;
  const DatasetReport report = check_dataset(root);
  print(json ? report_json(report).dump(2) + "\n" : report_text(report));
  return report.usable() ? 0 : static_cast<int>(ErrorKind::data);
}

int run_build(const std::vector<std::string>& args) {
  CommandLine line("dataset build", "Writes instruction records, one JSON line a caption.");
  std::string root, out;
  RecordOptions options;
  bool json = false;
  line.positional("dir", root, "folder that holds LevirCCcaptions.json and images/");
  line.option("out", out, "file to write, .jsonl", CommandLine::Need::required);
  line.options(options);
  line.flag("json", json, "print the counts as JSON");
  if (!line.parse(args)) return 0;
  const std::vector<InstructionRecord> records = build_records(root, options);
  write_records(out, records, root);

  std::map<std::string, int> of_split;
  int with_point = 0, contradictory = 0;
  for (const InstructionRecord& record : records) {
    ++of_split[record.pair.split];
    with_point += record.action.has_point ? 1 : 0;
    contradictory += record.agreement == Agreement::contradicts ? 1 : 0;
  }
  if (json) {
    print(Json{{"records", of_split}, {"with_point", with_point}, {"contradictory", contradictory}, {"out", out}}.dump(
              2) +
          "\n");
    return 0;
  }
  for (const auto& [split, count] : of_split) print(fmt::format("{}: {} records\n", split, count));
  print(fmt::format("{} with a point to look at, {} of contradictory pairs (no point)\nwritten: {}\n", with_point,
                    contradictory, out));
  return 0;
}

int run_convert(const std::vector<std::string>& args) {
  CommandLine line("dataset convert", "Makes a folder in LEVIR-CC layout from folders of before and after images.");
  ConvertOptions options;
  bool json = false;
  line.options(options);
  line.flag("json", json, "print the report as JSON");
  line.epilogue("changepilot dataset convert --before A --after B --label masks --captions captions.csv --out mydata");
  if (!line.parse(args)) return 0;
  const ConvertReport report = convert_folders(options);
  print(json ? report_json(report).dump(2) + "\n" : report_text(report));
  return 0;
}

}  // namespace

int run_dataset(const std::vector<std::string>& args) {
  const std::string command = args.empty() ? "" : args.front();
  if (command == "--help" || command == "-h") {
    print(kHelp);
    return 0;
  }
  const std::vector<std::string> rest(args.begin() + (args.empty() ? 0 : 1), args.end());
  if (command == "check") return run_check(rest);
  if (command == "build") return run_build(rest);
  if (command == "convert") return run_convert(rest);
  const std::string near = nearest(command, {"check", "build", "convert"});
  throw UserError(ErrorKind::usage, "dataset", fmt::format("wanted check, build or convert, found \"{}\".", command),
                  near.empty() ? "See `changepilot dataset --help`." : fmt::format("Did you mean \"{}\"?", near));
}

}  // namespace cp
