// Every file of the research data's image-files: read as Pillow reads it, or refused; each difference from Pillow is
// listed here under its reason (docs/images.md says the same in words).

#include <chrono>
#include <map>
#include <set>

#include "image/read.h"
#include "golden_images.h"

namespace cp {
namespace {

struct Difference {
  const char* reason;
  std::set<std::string> files;
};

constexpr const char* kPngsuite = "image-png/tests/pngsuite/";
constexpr const char* kBugfixes = "image-png/tests/bugfixes/";
constexpr const char* kPillow = "pillow/Tests/images/";

std::set<std::string> in(const std::string& folder, std::initializer_list<const char*> names) {
  std::set<std::string> files;
  for (const char* name : names) files.insert(folder + name);
  return files;
}

std::set<std::string> operator+(std::set<std::string> a, const std::set<std::string>& b) {
  a.insert(b.begin(), b.end());
  return a;
}

// Pillow reads these, we refuse them.
const std::vector<Difference>& refused_by_us() {
  static const std::vector<Difference> list = {
      {"CRC error", in(kPngsuite, {"xcsn0g01.png"}) + in(kBugfixes, {"x_interlaced_chck.png"})},
      {"palette index exceeding", in(kBugfixes, {"invalid_palette_index.png"})},
      {"extraneous bytes before marker", in(kPillow, {"hopper_bad_exif.jpg"})},  // within the picture data
      {"Line length mismatch", in(kPillow, {"crash-0da013a13571cc8eb457a39fee8db18f8a3c7127.tif",
                                            "crash-74d2a78403a5a59db1fb0a2b8735ac068a75f6e3.tif"})},
      {"floating-point numbers", in(kPillow, {"10ct_32bit_128.tiff"})},
      {"signed or complex numbers",
       in(kPillow, {"16_bit_binary_pgm.tiff", "16bit.s.tif", "8bit.s.tif", "separate_planar_extra_samples.tiff"})},
      {"12 bits a sample", in(kPillow, {"12bit.cropped.tif"})},
      {"photometric interpretation 8", in(kPillow, {"hopper.Lab.tif", "lab-green.tif", "lab-red.tif"})},
      {"compression 34925", in(kPillow, {"hopper_lzma.tif"})},
      {"compression 6",
       in(kPillow, {"old-style-jpeg-compression-no-samplesperpixel.tif", "old-style-jpeg-compression.tif"})},
  };
  return list;
}

// Pillow refuses these for the sake of chunks that we do not read: broken animation frames, oversized text.
const std::set<std::string>& read_by_us() {
  static const std::set<std::string> list = in(kPillow, {"apng/chunk_no_fctl.png", "png_decompression_dos.png"});
  return list;
}

// 16-bit grey: Pillow clips every value above 255 to white, we keep the high byte.
const std::set<std::string>& other_pixels() {
  static const std::set<std::string> list =
      in(kPngsuite, {"basi0g16.png", "basn0g16.png", "g03n0g16.png", "g04n0g16.png", "g05n0g16.png", "g07n0g16.png",
                     "g10n0g16.png", "g25n0g16.png", "oi1n0g16.png", "oi2n0g16.png", "oi4n0g16.png", "oi9n0g16.png",
                     "tbwn0g16.png"}) +
      in(kPillow, {"16_bit_noise.tif", "16bit.MM.cropped.tif", "16bit.MM.deflate.tif", "16bit.cropped.tif",
                   "16bit.deflate.tif", "16bit.r.tif", "i_trns.png", "uint16_1_4660.tif"});
  return list;
}

struct Outcome {
  std::string pixels;   // "W x H hash" when read
  std::string message;  // when refused
  double seconds = 0;
};

Outcome outcome_of(const std::filesystem::path& path) {
  Outcome outcome;
  const auto start = std::chrono::steady_clock::now();
  try {
    const Image image = read_rgb(path);
    outcome.pixels = std::to_string(image.width) + " x " + std::to_string(image.height) + " " + test::digest(image);
  } catch (const UserError& error) {
    EXPECT_EQ(error.kind(), ErrorKind::data) << path;
    EXPECT_FALSE(error.hint().empty()) << path;
    EXPECT_NE(std::string(error.what()).find(path.string()), std::string::npos) << error.what();
    outcome.message = error.what();
  }
  outcome.seconds = std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
  return outcome;
}

std::string pillow_pixels(const nlohmann::json& want) {
  return std::to_string(want[0].get<int>()) + " x " + std::to_string(want[1].get<int>()) + " " +
         want[2].get<std::string>();
}

// How the outcome stands to Pillow's: "equal", "both refuse", or the difference.
std::string compare(const Outcome& outcome, const nlohmann::json& want) {
  if (want == "refused") return outcome.pixels.empty() ? "both refuse" : "only we read";
  if (outcome.pixels.empty()) return "only we refuse";
  return outcome.pixels == pillow_pixels(want) ? "equal" : "other pixels";
}

// What the lists above say it should be; `reason` gets the words that our refusal must contain.
std::string expected(const std::string& name, const nlohmann::json& want, std::string* reason) {
  for (const Difference& difference : refused_by_us()) {
    if (difference.files.count(name) == 0) continue;
    *reason = difference.reason;
    return "only we refuse";
  }
  if (read_by_us().count(name) != 0) return "only we read";
  if (other_pixels().count(name) != 0) return "other pixels";
  return want == "refused" ? "both refuse" : "equal";
}

TEST(ImageFiles, AreReadAsPillowReadsThemOrRefused) {
  CP_SKIP_WITHOUT_DATA(root, "image-files");
  const nlohmann::json golden = test::golden_json("image/image_files.json")["files"];
  std::map<std::string, int> counts;
  for (const auto& [name, want] : golden.items()) {
    ASSERT_TRUE(std::filesystem::exists(root / name)) << name;
    const Outcome outcome = outcome_of(root / name);
    std::string reason;
    EXPECT_EQ(compare(outcome, want), expected(name, want, &reason)) << name << " " << outcome.message;
    EXPECT_NE(outcome.message.find(reason), std::string::npos)
        << name << " wanted \"" << reason << "\": " << outcome.message;
    EXPECT_LT(outcome.seconds, 1.0) << name;
    ++counts[compare(outcome, want)];
  }
  EXPECT_EQ(counts["equal"], 387);
  EXPECT_EQ(counts["both refuse"], 48);
  EXPECT_EQ(counts["only we refuse"], 18);
  EXPECT_EQ(counts["only we read"], 2);
  EXPECT_EQ(counts["other pixels"], 21);
  EXPECT_EQ(golden.size(), 476u);
}

TEST(ImageFiles, APlantedFaultIsDetected) {
  CP_SKIP_WITHOUT_DATA(root, "image-files");
  const nlohmann::json golden = test::golden_json("image/image_files.json")["files"];
  const std::string name = "exif-orientation/Landscape_6.jpg";
  const Outcome outcome = outcome_of(root / name);
  ASSERT_EQ(compare(outcome, golden[name]), "equal");
  // Reading the stored pixels without turning them, as a reader that ignores EXIF would.
  nlohmann::json unturned = golden[name];
  std::swap(unturned[0], unturned[1]);
  EXPECT_EQ(compare(outcome, unturned), "other pixels");
  EXPECT_EQ(compare(outcome, "refused"), "only we read");
  EXPECT_EQ(compare(Outcome{"", "no", 0}, golden[name]), "only we refuse");
}

}  // namespace
}  // namespace cp
