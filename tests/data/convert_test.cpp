#include "data/convert.h"

#include <algorithm>

#include <gtest/gtest.h>

#include "core/progress.h"
#include "data/check.h"
#include "data/levir.h"
#include "data/small_dataset.h"
#include "image/read.h"

namespace cp {
namespace {

namespace fs = std::filesystem;
using test::picture;
using test::rectangle;

// A 2 x 2 baseline TIFF, uncompressed RGB, little-endian: what a user might bring instead of PNG.
std::string tiny_tiff() {
  std::string bytes("II*\0\x08\0\0\0", 8);
  const auto u16 = [&](int v) { bytes += static_cast<char>(v & 255), bytes += static_cast<char>(v >> 8); };
  const auto entry = [&](int tag, int type, int count, int value) {
    u16(tag), u16(type), u16(count), u16(0), u16(value), u16(0);
  };
  constexpr int kEntries = 9, kBits = 8 + 2 + 12 * kEntries + 4, kPixels = kBits + 6;
  u16(kEntries);
  entry(256, 4, 1, 2), entry(257, 4, 1, 2), entry(258, 3, 3, kBits), entry(259, 3, 1, 1), entry(262, 3, 1, 2);
  entry(273, 4, 1, kPixels), entry(277, 3, 1, 3), entry(278, 4, 1, 2), entry(279, 4, 1, 12);
  u16(0), u16(0), u16(8), u16(8), u16(8);
  for (int i = 0; i < 12; ++i) bytes += static_cast<char>(i * 20);
  return bytes;
}

struct Folders {
  explicit Folders(const std::string& name) : root(test::fresh_folder(name)) {
    Progress::set_quiet(true);
    options.before = (root / "A").string();
    options.after = (root / "B").string();
    options.out = (root / "out").string();
    for (const char* folder : {"A", "B", "label"}) fs::create_directories(root / folder);
  }
  void pair(const std::string& stem, int seed) {
    write_png(root / "A" / (stem + ".png"), picture(seed));
    write_png(root / "B" / (stem + ".png"), picture(seed + 100));
  }
  void captions(const std::string& file, const std::string& text) {
    write_file_durable(root / file, text);
    options.captions = (root / file).string();
  }
  std::string bytes(const std::string& file) const { return read_file(root / file, 1 << 20, ErrorKind::data); }

  fs::path root;
  ConvertOptions options;
};

bool mentions(const std::vector<std::string>& lines, const std::string& a, const std::string& b) {
  return std::any_of(lines.begin(), lines.end(), [&](const std::string& line) {
    return line.find(a) != std::string::npos && line.find(b) != std::string::npos;
  });
}

TEST(Convert, MakesAFolderThatTheReaderAndTheCheckAccept) {
  Folders f("convert-plain");
  for (int i = 0; i < 10; ++i) {
    f.pair("house" + std::to_string(i), i);
    write_png(f.root / "label" / ("house" + std::to_string(i) + ".png"), rectangle(i % 2 ? 255 : 0));
  }
  f.options.label = (f.root / "label").string();
  const ConvertReport report = convert_folders(f.options);
  EXPECT_TRUE(report.unmatched.empty());
  EXPECT_EQ(report.copied, 30);
  EXPECT_EQ(report.converted, 0);
  const LevirIndex index = read_levir(f.options.out);
  ASSERT_EQ(index.pairs.size(), 10u);
  EXPECT_EQ(pairs_of_split(index, "train").size(), 6u);  // 10 scenes of one pair: 6, 2, 2
  for (const PairRecord& pair : index.pairs) {
    EXPECT_EQ(pair.changeflag, (pair.name[5] - '0') % 2) << pair.name;
    EXPECT_EQ(read_file(pair.before, 1 << 20, ErrorKind::data), f.bytes("A/" + pair.name));
    EXPECT_EQ(read_file(pair.after, 1 << 20, ErrorKind::data), f.bytes("B/" + pair.name));
    EXPECT_EQ(read_file(pair.label, 1 << 20, ErrorKind::data), f.bytes("label/" + pair.name));
  }
  EXPECT_TRUE(check_dataset(f.options.out).usable());
  EXPECT_FALSE(fs::exists(f.options.out + ".partial"));
}

TEST(Convert, UnmatchedNamesAreListedAndLeftOut) {
  Folders f("convert-unmatched");
  for (const char* stem : {"a", "b", "mute"}) f.pair(stem, stem[0]);
  write_png(f.root / "A/only_before.png", picture(1));
  write_png(f.root / "B/only_after.png", picture(1));
  write_png(f.root / "label/a.png", rectangle(1));
  write_png(f.root / "label/nobody.png", rectangle(1));
  f.options.label = (f.root / "label").string();
  f.captions("c.csv", "b,there is no difference\nghost,a house\n");
  const ConvertReport report = convert_folders(f.options);
  EXPECT_EQ(report.unmatched.size(), 5u);
  EXPECT_TRUE(mentions(report.unmatched, "A/only_before.png", "no after image"));
  EXPECT_TRUE(mentions(report.unmatched, "B/only_after.png", "no before image"));
  EXPECT_TRUE(mentions(report.unmatched, "label/nobody.png", "no pair"));
  EXPECT_TRUE(mentions(report.unmatched, "ghost", "no pair"));
  EXPECT_TRUE(mentions(report.unmatched, "A/mute.png", "neither caption nor mask"));
  const LevirIndex index = read_levir(f.options.out);
  ASSERT_EQ(index.pairs.size(), 2u);
  EXPECT_EQ(index.pairs[0].changeflag, 1);  // from the 0/1 mask
  EXPECT_EQ(index.pairs[1].changeflag, 0);  // from the caption
  EXPECT_NE(report_text(report).find("Left out: 5"), std::string::npos);
}

TEST(Convert, CaptionsDecideTheFlagBeforeTheMask) {
  Folders f("convert-flag");
  f.pair("trees", 1);
  write_png(f.root / "label/trees.png", rectangle(0));  // masks mark no trees
  f.options.label = (f.root / "label").string();
  f.captions("c.json", R"({"trees.tif": ["The trees were felled.", "trees are gone"]})");
  f.options.split = "val";
  convert_folders(f.options);
  const LevirIndex index = read_levir(f.options.out);
  EXPECT_EQ(index.pairs.at(0).changeflag, 1);
  EXPECT_EQ(index.pairs[0].split, "val");
  EXPECT_EQ(index.pairs[0].captions.size(), 2u);
}

TEST(Convert, OtherFormatsBecomePngWithTheSamePixels) {
  Folders f("convert-tiff");
  write_file_durable(f.root / "A/x.tif", tiny_tiff());
  write_file_durable(f.root / "B/x.png", tiny_tiff());  // a wrong name; the bytes decide
  f.captions("c.csv", "x,a house\n");
  const ConvertReport report = convert_folders(f.options);
  EXPECT_EQ(report.copied, 0);
  EXPECT_EQ(report.converted, 2);
  const fs::path before = fs::path(f.options.out) / "images/train/A/x.png";
  EXPECT_TRUE(read_file(before, 1 << 20, ErrorKind::data).starts_with("\x89PNG"));
  const Image image = read_rgb(before);
  EXPECT_EQ(image, read_rgb(f.root / "A/x.tif"));
  EXPECT_EQ(image.pixels, (std::vector<std::uint8_t>{0, 20, 40, 60, 80, 100, 120, 140, 160, 180, 200, 220}));
}

TEST(Convert, ABrokenFileLeavesNothingBehind) {
  Folders f("convert-broken");
  f.pair("a", 1);
  f.pair("b", 2);
  write_png(f.root / "B/b.png", picture(3, 10, 10));
  f.captions("c.csv", "a,a house\nb,a house\n");
  const auto convert = [&] { convert_folders(f.options); };
  EXPECT_TRUE(test::throws_user_error(convert, ErrorKind::data, {"B/b.png", "10x10", "24x16"}));
  write_file_durable(f.root / "B/b.png", "no image");
  EXPECT_TRUE(test::throws_user_error(convert, ErrorKind::data, {"B/b.png"}));
  EXPECT_FALSE(fs::exists(f.options.out));
  EXPECT_FALSE(fs::exists(f.options.out + ".partial"));
}

TEST(Convert, WrongOptionsAreRefused) {
  Folders f("convert-options");
  f.pair("a", 1);
  const auto convert = [&] { convert_folders(f.options); };
  EXPECT_TRUE(test::throws_user_error(convert, ErrorKind::usage, {"--label or --captions"}));
  f.captions("c.csv", "zzz,a house\n");
  EXPECT_TRUE(test::throws_user_error(convert, ErrorKind::data, {"no pair can be made", "1 before images"}));
  f.captions("c.csv", "a,a house\n");
  f.options.split = "dev";
  EXPECT_TRUE(test::throws_user_error(convert, ErrorKind::usage, {"--split", "dev"}));
  f.options.split = "draw";
  write_png(f.root / "A/a.tif", picture(1));
  EXPECT_TRUE(test::throws_user_error(convert, ErrorKind::data, {"a.png", "a.tif", "one name"}));
  fs::remove(f.root / "A/a.tif");
  fs::create_directories(f.options.out);
  EXPECT_TRUE(test::throws_user_error(convert, ErrorKind::write, {"exists already"}));
  f.options.before = "";
  EXPECT_TRUE(test::throws_user_error(convert, ErrorKind::usage, {"--before", "missing"}));
  f.options.before = (f.root / "absent").string();
  f.options.out = (f.root / "new").string();
  EXPECT_TRUE(test::throws_user_error(convert, ErrorKind::usage, {"absent", "cannot open"}));
}

TEST(CaptionTable, ReadsCsvAsSpreadsheetsWriteIt) {
  const fs::path file = test::fresh_folder("captions-csv") / "c.csv";
  write_file_durable(file,
                     "\xEF\xBB\xBF"
                     "filename,caption\r\na.png,\"a house, a \"\"new\"\" one\"\r\n\r\n"
                     "b.png,first,second,\r\na.png,\"two\nlines\"\r\n");
  const auto table = read_caption_table(file);
  EXPECT_EQ(table.size(), 2u);
  EXPECT_EQ(table.at("a"), (std::vector<std::string>{"a house, a \"new\" one", "two lines"}));
  EXPECT_EQ(table.at("b"), (std::vector<std::string>{"first", "second"}));
}

TEST(CaptionTable, ReadsLevirAndRefusesWhatItCannotRead) {
  const fs::path root = test::fresh_folder("captions-bad");
  const auto reading = [&](const char* name, const std::string& text) {
    write_file_durable(root / name, text);
    return [path = root / name] { read_caption_table(path); };
  };
  write_file_durable(root / "l.json", R"({"images": [{"filename": "a.png", "sentences": [{"raw": " a house ."}]}]})");
  EXPECT_EQ(read_caption_table(root / "l.json").at("a"), std::vector<std::string>{"a house"});
  EXPECT_TRUE(
      test::throws_user_error(reading("c.csv", "n,c\na,x\n\"open,x\n"), ErrorKind::data, {"line 3", "never closed"}));
  EXPECT_TRUE(test::throws_user_error(reading("d.csv", "alone\n"), ErrorKind::data, {"line 1", "alone"}));
  EXPECT_TRUE(test::throws_user_error(reading("e.csv", "a,caf\xE9\n"), ErrorKind::data, {"not UTF-8"}));
  EXPECT_TRUE(test::throws_user_error(reading("f.json", R"({"a": [1]})"), ErrorKind::data, {"\"a\"", "number"}));
  EXPECT_TRUE(test::throws_user_error(reading("g.json", R"([{"id": 1, "conversations": []}])"), ErrorKind::data,
                                      {"chat-style"}));
  EXPECT_TRUE(test::throws_user_error(reading("h.txt", "a,x"), ErrorKind::data, {".csv or .json"}));
}

}  // namespace
}  // namespace cp
