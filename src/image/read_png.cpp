// PNG by libpng. libpng sees only what decides pixels (IHDR, PLTE, IDAT, IEND): all other chunks are skipped unread,
// but their checksums are verified.

#include <csetjmp>
#include <cstring>
#include <vector>

#include <png.h>

#include "image/decode.h"

namespace cp::detail {
namespace {

struct Reader {
  std::string_view rest;   // not yet read
  char message[160] = {};  // why libpng gave up
  png_structp png = nullptr;
  png_infop info = nullptr;

  ~Reader() { png_destroy_read_struct(&png, &info, nullptr); }
};

// libpng's callbacks. They are called from C: no exception may leave them.
void on_read(png_structp png, png_bytep to, std::size_t size) {
  auto* reader = static_cast<Reader*>(png_get_io_ptr(png));
  if (size > reader->rest.size()) png_error(png, "unexpected end of file");
  std::memcpy(to, reader->rest.data(), size);
  reader->rest.remove_prefix(size);
}

void on_error(png_structp png, png_const_charp message) {
  auto* reader = static_cast<Reader*>(png_get_error_ptr(png));
  std::strncpy(reader->message, message, sizeof(reader->message) - 1);
  png_longjmp(png, 1);
}

// With the other chunks skipped, what libpng warns about is damaged pixel data or palette. Surplus compressed bytes
// after the last row are the exception: the picture is complete without them.
void on_warning(png_structp png, png_const_charp message) {
  if (std::strcmp(message, "IDAT: Extra compressed data") != 0) png_error(png, message);
}

// The functions with setjmp hold only trivially destructible locals: longjmp may leave them from any call of libpng.
// False = `reader->message` says why.
bool read_header(Reader* reader) {
  if (setjmp(png_jmpbuf(reader->png)) != 0) return false;
  png_set_read_fn(reader->png, reader, on_read);
  png_set_user_limits(reader->png, 0x7fffffff, 0x7fffffff);  // check_size decides
  png_set_crc_action(reader->png, PNG_CRC_ERROR_QUIT, PNG_CRC_ERROR_QUIT);
  png_set_keep_unknown_chunks(reader->png, PNG_HANDLE_CHUNK_NEVER, nullptr, -1);
  png_set_keep_unknown_chunks(reader->png, PNG_HANDLE_CHUNK_NEVER, reinterpret_cast<png_const_bytep>("tRNS"), 1);
  png_read_info(reader->png, reader->info);
  return true;
}

bool read_rows(Reader* reader, png_bytepp rows) {
  if (setjmp(png_jmpbuf(reader->png)) != 0) return false;
  png_read_image(reader->png, rows);
  png_read_end(reader->png, nullptr);
  return true;
}

bool is_grey16(const Reader& reader) {
  return png_get_color_type(reader.png, reader.info) == PNG_COLOR_TYPE_GRAY &&
         png_get_bit_depth(reader.png, reader.info) == 16;
}

// Asks for 8-bit samples without alpha, and for palette numbers one a byte; grey of 16 bits stays (2 bytes, high one
// first).
bool start_rows(Reader* reader) {
  if (setjmp(png_jmpbuf(reader->png)) != 0) return false;
  if (!is_grey16(*reader)) png_set_strip_16(reader->png);
  png_set_packing(reader->png);
  if (png_get_color_type(reader->png, reader->info) == PNG_COLOR_TYPE_GRAY) png_set_expand_gray_1_2_4_to_8(reader->png);
  png_set_strip_alpha(reader->png);
  png_set_interlace_handling(reader->png);
  png_read_update_info(reader->png, reader->info);
  return true;
}

Image colours_of(const Image& numbers, const Reader& reader, const Source& source) {
  png_colorp palette = nullptr;
  int count = 0;
  if (png_get_PLTE(reader.png, reader.info, &palette, &count) == 0) refuse_corrupt(source, "it has no palette");
  Image image(numbers.width, numbers.height, 3);
  for (std::size_t i = 0; i < numbers.pixels.size(); ++i) {
    const int number = numbers.pixels[i];
    if (number >= count) refuse_corrupt(source, "a pixel's number is not in the palette");
    image.pixels[3 * i] = palette[number].red;
    image.pixels[3 * i + 1] = palette[number].green;
    image.pixels[3 * i + 2] = palette[number].blue;
  }
  return image;
}

}  // namespace

Image decode_png(const Source& source) {
  Reader reader{source.bytes};
  reader.png = png_create_read_struct(PNG_LIBPNG_VER_STRING, &reader, on_error, on_warning);
  if (reader.png != nullptr) reader.info = png_create_info_struct(reader.png);
  if (reader.info == nullptr) throw std::bad_alloc();

  if (!read_header(&reader)) refuse_corrupt(source, reader.message);
  const png_uint_32 width = png_get_image_width(reader.png, reader.info);
  const png_uint_32 height = png_get_image_height(reader.png, reader.info);
  check_size(source, width, height);
  if (!start_rows(&reader)) refuse_corrupt(source, reader.message);

  const bool grey16_file = is_grey16(reader);
  const int channels = (png_get_color_type(reader.png, reader.info) & PNG_COLOR_MASK_COLOR) != 0 ? 3 : 1;
  const bool has_palette = png_get_color_type(reader.png, reader.info) == PNG_COLOR_TYPE_PALETTE;
  Image image(static_cast<int>(width) * (grey16_file ? 2 : 1), static_cast<int>(height), has_palette ? 1 : channels);
  const std::size_t row_bytes = png_get_rowbytes(reader.png, reader.info);
  CP_CHECK(row_bytes * height == image.pixels.size(), "libpng's row size");
  std::vector<png_bytep> rows(height);
  for (std::size_t y = 0; y < height; ++y) rows[y] = image.pixels.data() + y * row_bytes;
  if (!read_rows(&reader, rows.data())) refuse_corrupt(source, reader.message);

  if (has_palette) return colours_of(image, reader, source);
  if (!grey16_file) return image;
  Image grey(static_cast<int>(width), static_cast<int>(height), 1);
  for (std::size_t i = 0; i < grey.pixels.size(); ++i)
    grey.pixels[i] =
        grey16(static_cast<std::uint16_t>(image.pixels[2 * i] << 8 | image.pixels[2 * i + 1]), source.purpose);
  return grey;
}

}  // namespace cp::detail
