// JPEG by libjpeg-turbo: baseline and progressive, 8 bits, grey, YCbCr, RGB, CMYK and YCCK.

#include <csetjmp>
#include <cstdio>
#include <cstring>

#include <jpeglib.h>

#include <jerror.h>

#include "image/decode.h"

namespace cp::detail {
namespace {

// A progressive file may repeat scans of the whole image without end; ordinary ones have about 10.
constexpr int kMaxScans = 100;
constexpr std::uint64_t kMaxScannedPixels = std::uint64_t{1} << 30;  // scans x pixels: 16 scans of the largest image

struct Reader {
  jpeg_decompress_struct jpeg{};
  jpeg_error_mgr errors{};
  jpeg_progress_mgr progress{};
  std::jmp_buf escape;
  char message[JMSG_LENGTH_MAX] = {};
  bool created = false;
  bool decoding = false;  // past the header

  ~Reader() {
    if (created) jpeg_destroy_decompress(&jpeg);
  }
};

Reader* reader_of(j_common_ptr jpeg) { return static_cast<Reader*>(jpeg->client_data); }

// libjpeg's callbacks. They are called from C: no exception may leave them.
void on_error(j_common_ptr jpeg) {
  jpeg->err->format_message(jpeg, reader_of(jpeg)->message);
  std::longjmp(reader_of(jpeg)->escape, 1);
}

// Levels below 0 are warnings: damaged data that libjpeg would paper over with grey or repeated pixels.
void on_message(j_common_ptr jpeg, int level) {
  if (level >= 0) return;
  // An unknown version of the JFIF header says nothing about the data, nor do stray bytes between header segments.
  if (jpeg->err->msg_code == JWRN_JFIF_MAJOR) return;
  if (jpeg->err->msg_code == JWRN_EXTRANEOUS_DATA && !reader_of(jpeg)->decoding) return;
  on_error(jpeg);
}

void on_progress(j_common_ptr jpeg) {
  const auto* file = reinterpret_cast<j_decompress_ptr>(jpeg);
  const std::uint64_t pixels = std::uint64_t{file->image_width} * file->image_height;
  if (file->input_scan_number <= kMaxScans &&
      static_cast<std::uint64_t>(file->input_scan_number) * pixels <= kMaxScannedPixels)
    return;
  std::strncpy(reader_of(jpeg)->message, "too many scans", JMSG_LENGTH_MAX - 1);
  std::longjmp(reader_of(jpeg)->escape, 1);
}

// The functions with setjmp hold only trivially destructible locals: longjmp may leave them from any call of libjpeg.
// False = `reader->message` says why.
bool read_header(Reader* reader, std::string_view bytes) {
  if (setjmp(reader->escape) != 0) return false;
  jpeg_create_decompress(&reader->jpeg);
  reader->created = true;
  reader->jpeg.progress = &reader->progress;
  jpeg_mem_src(&reader->jpeg, reinterpret_cast<const unsigned char*>(bytes.data()), bytes.size());
  jpeg_read_header(&reader->jpeg, TRUE);
  return true;
}

// `pixels` holds output_height rows of width * output components.
bool read_rows(Reader* reader, std::uint8_t* pixels) {
  if (setjmp(reader->escape) != 0) return false;
  reader->decoding = true;
  jpeg_start_decompress(&reader->jpeg);
  const std::size_t row_bytes =
      std::size_t{reader->jpeg.output_width} * static_cast<unsigned>(reader->jpeg.output_components);
  while (reader->jpeg.output_scanline < reader->jpeg.output_height) {
    JSAMPROW row = pixels + row_bytes * reader->jpeg.output_scanline;
    jpeg_read_scanlines(&reader->jpeg, &row, 1);
  }
  jpeg_finish_decompress(&reader->jpeg);
  return true;
}

}  // namespace

Image decode_jpeg(const Source& source) {
  Reader reader;
  reader.jpeg.err = jpeg_std_error(&reader.errors);
  reader.jpeg.client_data = &reader;
  reader.errors.error_exit = on_error;
  reader.errors.emit_message = on_message;
  reader.progress.progress_monitor = on_progress;

  if (!read_header(&reader, source.bytes)) {
    if (reader.jpeg.err->msg_code == JERR_BAD_PRECISION)
      refuse_unsupported(source, "a JPEG with more than 8 bits a sample");
    refuse_corrupt(source, reader.message);
  }
  check_size(source, reader.jpeg.image_width, reader.jpeg.image_height);
  const int components = reader.jpeg.num_components;
  if (components != 1 && components != 3 && components != 4)
    refuse_unsupported(source, "a JPEG with " + std::to_string(components) + " components");
  reader.jpeg.out_color_space = components == 1 ? JCS_GRAYSCALE : components == 3 ? JCS_RGB : JCS_CMYK;

  Image image(static_cast<int>(reader.jpeg.image_width), static_cast<int>(reader.jpeg.image_height), components);
  if (!read_rows(&reader, image.pixels.data())) refuse_corrupt(source, reader.message);
  if (components != 4) return image;
  // Adobe's programs store CMYK inverted, and Pillow takes every CMYK JPEG for one of theirs.
  Image rgb(image.width, image.height, 3);
  for (std::size_t i = 0; i < rgb.pixels.size() / 3; ++i) {
    std::uint8_t ink[4];
    for (std::size_t c = 0; c < 4; ++c) ink[c] = static_cast<std::uint8_t>(255 - image.pixels[4 * i + c]);
    cmyk_to_rgb(ink, &rgb.pixels[3 * i]);
  }
  return rgb;
}

}  // namespace cp::detail
