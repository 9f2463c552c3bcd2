// JPEG by libjpeg-turbo: baseline, 4:2:0, optimised Huffman tables.

#include <csetjmp>
#include <cstdio>
#include <cstdlib>

#include <jpeglib.h>

#include "image/write.h"

namespace cp {
namespace {

struct Writer {
  jpeg_compress_struct jpeg{};
  jpeg_error_mgr errors{};
  std::jmp_buf escape;
  char message[JMSG_LENGTH_MAX] = {};
  unsigned char* bytes = nullptr;  // of malloc
  unsigned long size = 0;

  ~Writer() {
    jpeg_destroy_compress(&jpeg);
    std::free(bytes);
  }
};

// Called from C: no exception may leave it.
void on_error(j_common_ptr jpeg) {
  auto* writer = static_cast<Writer*>(jpeg->client_data);
  jpeg->err->format_message(jpeg, writer->message);
  std::longjmp(writer->escape, 1);
}

// Only trivially destructible locals live here: longjmp may leave it from any call. False = `message` says why.
bool encode(const Image& image, int quality, Writer* writer) {
  writer->jpeg.err = jpeg_std_error(&writer->errors);
  writer->errors.error_exit = on_error;
  writer->jpeg.client_data = writer;
  if (setjmp(writer->escape) != 0) return false;
  jpeg_create_compress(&writer->jpeg);
  jpeg_mem_dest(&writer->jpeg, &writer->bytes, &writer->size);
  writer->jpeg.image_width = static_cast<JDIMENSION>(image.width);
  writer->jpeg.image_height = static_cast<JDIMENSION>(image.height);
  writer->jpeg.input_components = image.channels;
  writer->jpeg.in_color_space = image.channels == 3 ? JCS_RGB : JCS_GRAYSCALE;
  jpeg_set_defaults(&writer->jpeg);
  jpeg_set_quality(&writer->jpeg, quality, TRUE);
  writer->jpeg.optimize_coding = TRUE;
  jpeg_start_compress(&writer->jpeg, TRUE);
  while (writer->jpeg.next_scanline < writer->jpeg.image_height) {
    JSAMPROW row = const_cast<JSAMPROW>(image.at(0, static_cast<int>(writer->jpeg.next_scanline)));
    jpeg_write_scanlines(&writer->jpeg, &row, 1);
  }
  jpeg_finish_compress(&writer->jpeg);
  return true;
}

}  // namespace

std::string encode_jpeg(const Image& image, int quality) {
  CP_CHECK(image.width > 0 && image.height > 0 && image.width <= 65500 && image.height <= 65500 &&
               (image.channels == 1 || image.channels == 3),
           "encode_jpeg: wanted an image of 1 or 3 channels, 1 to 65500 px a side");
  CP_CHECK(quality >= 1 && quality <= 100, "encode_jpeg: quality");
  Writer writer;
  CP_CHECK(encode(image, quality, &writer), std::string("libjpeg: ") + writer.message);
  return {reinterpret_cast<const char*>(writer.bytes), writer.size};
}

}  // namespace cp
