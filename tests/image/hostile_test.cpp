// Every truncation and every single-byte change of small files: an image or a UserError(data), never anything else. Run
// it under the sanitizers too (-DCP_SANITIZE=ON).

#include <chrono>

#include "image/read.h"
#include "golden_images.h"

namespace cp {
namespace {

struct Tally {
  int images = 0, refused = 0;
};

// Decodes hostile bytes from a heap block of exactly their size, so that the sanitizer sees any read past the end.
void decode(std::string_view bytes, Tally* tally) {
  const std::vector<char> exact(bytes.begin(), bytes.end());
  const auto start = std::chrono::steady_clock::now();
  try {
    const Image image = decode_rgb({exact.data(), exact.size()}, "hostile");
    ASSERT_EQ(image.channels, 3);
    ASSERT_EQ(image.pixels.size(), static_cast<std::size_t>(image.width) * static_cast<std::size_t>(image.height) * 3);
    ++tally->images;
  } catch (const UserError& error) {
    ASSERT_EQ(error.kind(), ErrorKind::data) << error.what();
    ++tally->refused;
  }
  ASSERT_LT(std::chrono::steady_clock::now() - start, std::chrono::seconds(1));
}

constexpr const char* kFiles[] = {"png_1x1.png",           "png_grey4.png",    "png_palette2.png", "png_exif6.png",
                                  "jpeg_grey.jpg",         "jpeg_exif8.jpg",   "tiff_g4.tif",      "tiff_grey16_le.tif",
                                  "tiff_rgb_packbits.tif", "tiff_rgb_jpeg.tif"};
constexpr std::size_t kSmall = 1024;

TEST(HostileImage, EveryTruncationIsRefused) {
  for (const char* name : kFiles) {
    std::string bytes = test::kind_bytes(name);
    // Pillow's compressed TIFFs end with the (zero) place of a next directory, which nobody needs to read the first
    // one.
    if (bytes.ends_with(std::string_view("\0\0\0\0", 4)) && std::string_view(name) == "tiff_g4.tif")
      bytes.resize(bytes.size() - 4);
    Tally tally;
    for (std::size_t size = 0; size < bytes.size(); ++size) decode(std::string_view(bytes).substr(0, size), &tally);
    EXPECT_EQ(tally.images + tally.refused, static_cast<int>(bytes.size())) << name;
    EXPECT_EQ(tally.images, 0) << name;
  }
}

TEST(HostileImage, EveryChangedByteOfSmallFilesGivesAnImageOrAnError) {
  int files = 0;
  for (const char* name : kFiles) {
    const std::string original = test::kind_bytes(name);
    if (original.size() >= kSmall) continue;
    ++files;
    Tally tally;
    for (std::size_t at = 0; at < original.size(); ++at) {
      for (const int flip : {0x01, 0x80, 0xff}) {
        std::string bytes = original;
        bytes[at] = static_cast<char>(bytes[at] ^ flip);
        decode(bytes, &tally);
      }
    }
    EXPECT_EQ(tally.images + tally.refused, static_cast<int>(3 * original.size())) << name;
    EXPECT_GT(tally.refused, 0) << name;
  }
  EXPECT_GE(files, 6);
}

TEST(HostileImage, EveryChangedByteOfAPngIsNoticed) {
  // Checksums cover all of a PNG, so no change may pass.
  const std::string original = test::kind_bytes("png_grey4.png");
  Tally tally;
  for (std::size_t at = 0; at < original.size(); ++at) {
    std::string bytes = original;
    bytes[at] = static_cast<char>(bytes[at] ^ 0x10);
    decode(bytes, &tally);
  }
  EXPECT_EQ(tally.images, 0);
  EXPECT_EQ(tally.refused, static_cast<int>(original.size()));
}

}  // namespace
}  // namespace cp
