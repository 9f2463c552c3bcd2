// Limits, refusals and damage: what read.h promises beyond pixels.

#include <chrono>

#include "image/read.h"
#include "image/write.h"
#include "golden_images.h"

namespace cp {
namespace {

using test::throws_user_error;

TEST(ReadImage, DecidesTheKindByBytesNotByName) {
  const auto folder = test::fresh_folder("kind-by-bytes");
  write_file_durable(folder / "photo.png", test::kind_bytes("jpeg_420.jpg"));
  EXPECT_EQ(read_rgb(folder / "photo.png"), read_rgb(test::kind_path("jpeg_420.jpg")));
}

TEST(ReadImage, NamesWhatItRefuses) {
  const auto refuses = [](std::string_view bytes, const char* part) {
    return throws_user_error([&] { decode_rgb(bytes, "pair/before"); }, ErrorKind::data, {"pair/before", part});
  };
  EXPECT_TRUE(refuses("", "an empty file"));
  EXPECT_TRUE(refuses("GIF89a..............", "a GIF image"));
  EXPECT_TRUE(refuses("BM..................", "a BMP image"));
  EXPECT_TRUE(refuses("RIFF....WEBPVP8 ....", "a WebP image"));
  EXPECT_TRUE(refuses("....ftypavif........", "an AVIF image"));
  EXPECT_TRUE(refuses("%PDF-1.7", "a PDF document"));
  EXPECT_TRUE(refuses("hello, world", "does not begin like one"));
  EXPECT_TRUE(
      throws_user_error([] { read_rgb("/nowhere/a.png"); }, ErrorKind::data, {"/nowhere/a.png", "cannot open"}));
}

TEST(ReadImage, ChecksTheSizeBeforeDecoding) {
  for (const char* name : {"png_rgb.png", "jpeg_420.jpg", "tiff_rgb_lzw.tif"}) {
    const Image image = read_rgb(test::kind_path(name));
    const auto pixels = static_cast<std::uint64_t>(image.width) * static_cast<std::uint64_t>(image.height);
    ImageLimits limits;
    limits.max_pixels = pixels;
    EXPECT_EQ(read_rgb(test::kind_path(name), limits), image);
    limits.max_pixels = pixels - 1;
    EXPECT_TRUE(throws_user_error([&] { read_rgb(test::kind_path(name), limits); }, ErrorKind::data,
                                  {name, "37 x 29 pixels", "1072"}));
    limits = ImageLimits{};
    limits.max_file_bytes = 100;
    EXPECT_TRUE(throws_user_error([&] { read_rgb(test::kind_path(name), limits); }, ErrorKind::data, {name, "100"}));
    EXPECT_TRUE(throws_user_error([&] { decode_rgb(test::kind_bytes(name), name, limits); }, ErrorKind::data, {"100"}));
  }
}

TEST(ReadImage, ABombIsRefusedAtOnce) {
  // The header is made to say 1,000,000 x 1,000,000: 3 TB of pixels.
  std::string bomb = test::kind_bytes("tiff_rgb_raw.tif");
  // Width and height of Pillow's little-endian TIFF: entries 256 and 257 of the directory.
  int changed = 0;
  for (std::size_t at = 8; at + 12 <= bomb.size() && changed < 2; ++at) {
    const auto tag = static_cast<unsigned char>(bomb[at]) | static_cast<unsigned char>(bomb[at + 1]) << 8;
    if ((tag != 256 && tag != 257) || bomb[at + 4] != 1 || bomb[at + 5] != 0) continue;
    bomb[at + 2] = 4;  // LONG
    bomb.replace(at + 8, 4, std::string("\x40\x42\x0f\x00", 4));
    ++changed;
  }
  ASSERT_EQ(changed, 2);
  const auto start = std::chrono::steady_clock::now();
  EXPECT_TRUE(throws_user_error([&] { decode_rgb(bomb, "bomb"); }, ErrorKind::data, {"1000000 x 1000000"}));
  EXPECT_LT(std::chrono::steady_clock::now() - start, std::chrono::seconds(1));
}

TEST(ReadImage, ADamagedFileHoldsNothingOfThePreviousOne) {
  // A reader that returned half an image would show the rest of its buffer (opencv#26488).
  const Image before = read_rgb(test::kind_path("jpeg_420.jpg"));
  std::string cut = test::kind_bytes("jpeg_422.jpg");
  cut.resize(cut.size() * 2 / 3);
  EXPECT_TRUE(
      throws_user_error([&] { decode_rgb(cut, "cut.jpg"); }, ErrorKind::data, {"cut.jpg", "damaged or cut off"}));
  EXPECT_EQ(read_rgb(test::kind_path("jpeg_420.jpg")), before);
}

TEST(ReadImage, OrientationsFiveToEightSwapTheSides) {
  int visited = 0;
  for (int n = 2; n <= 8; ++n) {
    const Image image = read_rgb(test::kind_path("jpeg_exif" + std::to_string(n) + ".jpg"));
    EXPECT_EQ(image.width, n >= 5 ? 14 : 23) << n;
    EXPECT_EQ(image.height, n >= 5 ? 23 : 14) << n;
    ++visited;
  }
  EXPECT_EQ(visited, 7);
}

TEST(WritePng, ComesBackEqual) {
  const auto folder = test::fresh_folder("write-png");
  const Image rgb = read_rgb(test::kind_path("png_rgb.png")), grey = read_mask(test::kind_path("png_grey8.png"));
  write_png(folder / "rgb.png", rgb);
  write_png(folder / "grey.png", grey);
  EXPECT_EQ(read_rgb(folder / "rgb.png"), rgb);
  EXPECT_EQ(read_mask(folder / "grey.png"), grey);
  EXPECT_EQ(decode_rgb(encode_png(Image(1, 1, 3, 7)), "one pixel"), Image(1, 1, 3, 7));
}

TEST(WritePng, GivesTheSameBytesEachTime) {
  const Image image = read_rgb(test::kind_path("jpeg_420.jpg"));
  EXPECT_EQ(encode_png(image), encode_png(Image(image)));
  Image other = image;
  other.pixels[5] ^= 1;
  EXPECT_NE(encode_png(image), encode_png(other));
}

TEST(WritePng, RefusesWhatIsNoImage) {
  EXPECT_THROW(encode_png(Image()), BugError);
  EXPECT_THROW(encode_png(Image(2, 2, 4)), BugError);
  Image short_of_pixels(4, 4, 3);
  short_of_pixels.pixels.pop_back();
  EXPECT_THROW(encode_png(short_of_pixels), BugError);
}

}  // namespace
}  // namespace cp
