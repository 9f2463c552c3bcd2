#include "image/write.h"

#include <csetjmp>
#include <cstring>

#include <png.h>

#include "core/file.h"

namespace cp {
namespace {

// Fixed, so that the same pixels give the same bytes: "sub" suits both photographs and drawings.
constexpr int kCompressionLevel = 6;
constexpr int kFilter = PNG_FILTER_SUB;

struct Sink {
  std::string bytes;
  std::string error;
  bool out_of_memory = false;
};

// libpng's callbacks. They are called from C: no exception may leave them.
void on_write(png_structp png, png_bytep data, std::size_t size) {
  auto* sink = static_cast<Sink*>(png_get_io_ptr(png));
  try {
    sink->bytes.append(reinterpret_cast<const char*>(data), size);
    return;
  } catch (...) {
    sink->out_of_memory = true;
  }
  png_error(png, "out of memory");
}

void on_flush(png_structp) {}

void on_error(png_structp png, png_const_charp message) {
  std::strncpy(static_cast<char*>(png_get_error_ptr(png)), message, 127);
  png_longjmp(png, 1);
}

void on_warning(png_structp, png_const_charp) {}

// Only trivially destructible locals live here: libpng's longjmp may leave it from any call. False = `message` says
// why.
bool encode(const Image& image, Sink* sink, char* message) {
  png_structp png = png_create_write_struct(PNG_LIBPNG_VER_STRING, message, on_error, on_warning);
  png_infop info = png != nullptr ? png_create_info_struct(png) : nullptr;
  if (info == nullptr) {
    png_destroy_write_struct(&png, nullptr);
    return false;
  }
  if (setjmp(png_jmpbuf(png)) != 0) {
    png_destroy_write_struct(&png, &info);
    return false;
  }
  png_set_write_fn(png, sink, on_write, on_flush);
  png_set_user_limits(png, 0x7fffffff, 0x7fffffff);
  png_set_compression_level(png, kCompressionLevel);
  png_set_filter(png, PNG_FILTER_TYPE_BASE, kFilter);
  png_set_IHDR(png, info, static_cast<png_uint_32>(image.width), static_cast<png_uint_32>(image.height), 8,
               image.channels == 3 ? PNG_COLOR_TYPE_RGB : PNG_COLOR_TYPE_GRAY, PNG_INTERLACE_NONE,
               PNG_COMPRESSION_TYPE_DEFAULT, PNG_FILTER_TYPE_DEFAULT);
  png_write_info(png, info);
  for (int y = 0; y < image.height; ++y) png_write_row(png, image.at(0, y));
  png_write_end(png, nullptr);
  png_destroy_write_struct(&png, &info);
  return true;
}

}  // namespace

std::string encode_png(const Image& image) {
  CP_CHECK(image.width > 0 && image.height > 0 && (image.channels == 1 || image.channels == 3),
           "encode_png: wanted a non-empty image of 1 or 3 channels");
  CP_CHECK(image.pixels.size() == Image(image.width, image.height, image.channels).pixels.size(),
           "encode_png: size of pixels");
  Sink sink;
  char message[128] = {};
  const bool done = encode(image, &sink, message);
  if (sink.out_of_memory) throw std::bad_alloc();
  CP_CHECK(done, std::string("libpng: ") + message);
  return std::move(sink.bytes);
}

void write_png(const std::filesystem::path& path, const Image& image) { write_file_durable(path, encode_png(image)); }

}  // namespace cp
