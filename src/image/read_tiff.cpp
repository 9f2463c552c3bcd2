// TIFF by libtiff: the first picture of the file, in strips or tiles. libtiff only unpacks; which of the very many
// layouts are read, and how samples become 8 bits, is decided here.

#include <algorithm>
#include <cstdarg>
#include <cstdio>
#include <cstring>
#include <memory>
#include <vector>

#include <tiffio.h>

#include <fmt/format.h>

#include "image/decode.h"

namespace cp::detail {
namespace {

// Bytes as libtiff reads them, and what it complained about.
struct Stream {
  std::string_view bytes;
  std::uint64_t at = 0;
  std::string error;
  bool decoding = false;  // from now on a warning means damaged pixel data
};

tmsize_t on_read(thandle_t handle, void* to, tmsize_t size) {
  auto* stream = static_cast<Stream*>(handle);
  if (stream->at >= stream->bytes.size() || size <= 0) return 0;
  const std::uint64_t n = std::min<std::uint64_t>(static_cast<std::uint64_t>(size), stream->bytes.size() - stream->at);
  std::memcpy(to, stream->bytes.data() + stream->at, n);
  stream->at += n;
  return static_cast<tmsize_t>(n);
}

tmsize_t on_write(thandle_t, void*, tmsize_t) { return 0; }

toff_t on_seek(thandle_t handle, toff_t offset, int whence) {
  auto* stream = static_cast<Stream*>(handle);
  const std::uint64_t base = whence == SEEK_CUR ? stream->at : whence == SEEK_END ? stream->bytes.size() : 0;
  return stream->at = base + offset;
}

int on_close(thandle_t) { return 0; }
toff_t on_size(thandle_t handle) { return static_cast<Stream*>(handle)->bytes.size(); }

void keep_message(Stream* stream, const char* format, va_list arguments) {
  char text[200];
  std::vsnprintf(text, sizeof text, format, arguments);
  if (stream->error.empty()) stream->error = text;
}

int on_error(TIFF*, void* stream, const char*, const char* format, va_list arguments) {
  keep_message(static_cast<Stream*>(stream), format, arguments);
  return 1;
}

// Unknown or odd tags are ordinary (cameras, GIS programs); warnings while unpacking are damage that libtiff papers
// over.
int on_warning(TIFF*, void* stream, const char*, const char* format, va_list arguments) {
  if (static_cast<Stream*>(stream)->decoding) keep_message(static_cast<Stream*>(stream), format, arguments);
  return 1;
}

struct Close {
  void operator()(TIFF* tiff) const { TIFFClose(tiff); }
};
using File = std::unique_ptr<TIFF, Close>;

File open_tiff(Stream* stream, std::uint64_t max_allocation) {
  const std::unique_ptr<TIFFOpenOptions, decltype(&TIFFOpenOptionsFree)> options(TIFFOpenOptionsAlloc(),
                                                                                 TIFFOpenOptionsFree);
  if (options == nullptr) throw std::bad_alloc();
  TIFFOpenOptionsSetMaxSingleMemAlloc(options.get(), static_cast<tmsize_t>(max_allocation));
  TIFFOpenOptionsSetErrorHandlerExtR(options.get(), on_error, stream);
  TIFFOpenOptionsSetWarningHandlerExtR(options.get(), on_warning, stream);
  // "m": no memory mapping. "r" reads the first directory at once.
  return File(TIFFClientOpenExt("image", "rm", stream, on_read, on_write, on_seek, on_close, on_size, nullptr, nullptr,
                                options.get()));
}

// How the samples are laid out, from the tags.
struct Layout {
  std::uint32_t width = 0, height = 0;
  std::uint16_t bits = 1, samples = 1, photometric = 0, planar = PLANARCONFIG_CONTIG, compression = COMPRESSION_NONE;
  std::uint16_t format = SAMPLEFORMAT_UINT;
  bool tiled = false;
  bool associated_alpha = false;                  // colours are stored multiplied by alpha
  std::size_t block_width = 0, block_height = 0;  // a strip is a block as wide as the image
  std::size_t block_bytes = 0, row_bytes = 0;     // of one block; of a row in it

  int colours() const { return photometric == PHOTOMETRIC_SEPARATED ? 4 : photometric == PHOTOMETRIC_RGB ? 3 : 1; }
};

bool is_common(std::uint16_t compression) {
  constexpr std::uint16_t kRead[] = {
      COMPRESSION_NONE, COMPRESSION_CCITTRLE,      COMPRESSION_CCITTFAX3, COMPRESSION_CCITTFAX4, COMPRESSION_LZW,
      COMPRESSION_JPEG, COMPRESSION_ADOBE_DEFLATE, COMPRESSION_DEFLATE,   COMPRESSION_PACKBITS,  COMPRESSION_ZSTD};
  return std::find(std::begin(kRead), std::end(kRead), compression) != std::end(kRead);
}

void check_kind(const Layout& layout, const Source& source) {
  const auto refuse = [&](const std::string& what) { refuse_unsupported(source, "a TIFF " + what); };
  if (!is_common(layout.compression) || TIFFIsCODECConfigured(layout.compression) == 0)
    refuse(fmt::format("with compression {}", layout.compression));
  if (layout.format != SAMPLEFORMAT_UINT && layout.format != SAMPLEFORMAT_VOID)
    refuse(layout.format == SAMPLEFORMAT_IEEEFP ? "of floating-point numbers, whose black and white are not defined"
                                                : "of signed or complex numbers");
  switch (layout.photometric) {
    case PHOTOMETRIC_MINISWHITE:
    case PHOTOMETRIC_MINISBLACK:
      if (layout.bits != 1 && layout.bits != 2 && layout.bits != 4 && layout.bits != 8 && layout.bits != 16)
        refuse(fmt::format("with {} bits a sample", layout.bits));
      break;
    case PHOTOMETRIC_PALETTE:
      if (layout.bits != 1 && layout.bits != 2 && layout.bits != 4 && layout.bits != 8)
        refuse(fmt::format("palette with {} bits", layout.bits));
      break;
    case PHOTOMETRIC_RGB:
    case PHOTOMETRIC_SEPARATED:
      if (layout.bits != 8 && layout.bits != 16) refuse(fmt::format("in colour with {} bits a sample", layout.bits));
      break;
    case PHOTOMETRIC_YCBCR:
      refuse("in YCbCr without JPEG compression");
      break;
    default:
      refuse(fmt::format("with photometric interpretation {}", layout.photometric));
  }
  if (layout.samples < layout.colours())
    refuse_corrupt(source, fmt::format("{} samples a pixel, wanted {}", layout.samples, layout.colours()));
  if (layout.samples > 64) refuse(fmt::format("with {} samples a pixel", layout.samples));
  if (layout.samples > 1 && layout.bits < 8) refuse("with several samples of less than 8 bits");
}

Layout read_layout(TIFF* tiff, const Source& source) {
  Layout layout;
  TIFFGetField(tiff, TIFFTAG_IMAGEWIDTH, &layout.width);
  TIFFGetField(tiff, TIFFTAG_IMAGELENGTH, &layout.height);
  check_size(source, layout.width, layout.height);
  TIFFGetFieldDefaulted(tiff, TIFFTAG_BITSPERSAMPLE, &layout.bits);
  TIFFGetFieldDefaulted(tiff, TIFFTAG_SAMPLESPERPIXEL, &layout.samples);
  TIFFGetFieldDefaulted(tiff, TIFFTAG_SAMPLEFORMAT, &layout.format);
  TIFFGetFieldDefaulted(tiff, TIFFTAG_PLANARCONFIG, &layout.planar);
  TIFFGetFieldDefaulted(tiff, TIFFTAG_COMPRESSION, &layout.compression);
  TIFFGetField(tiff, TIFFTAG_PHOTOMETRIC, &layout.photometric);
  if (layout.compression == COMPRESSION_JPEG && layout.photometric == PHOTOMETRIC_YCBCR) {
    TIFFSetField(tiff, TIFFTAG_JPEGCOLORMODE, JPEGCOLORMODE_RGB);  // libtiff converts
    layout.photometric = layout.samples == 1 ? PHOTOMETRIC_MINISBLACK : PHOTOMETRIC_RGB;
  }
  std::uint16_t extra_count = 0;
  std::uint16_t* extra = nullptr;
  TIFFGetFieldDefaulted(tiff, TIFFTAG_EXTRASAMPLES, &extra_count, &extra);
  layout.associated_alpha = extra_count > 0 && extra[0] == EXTRASAMPLE_ASSOCALPHA && layout.samples > layout.colours();
  check_kind(layout, source);

  layout.tiled = TIFFIsTiled(tiff) != 0;
  std::uint32_t block_width = layout.width, block_height = layout.height;
  if (layout.tiled) {
    TIFFGetField(tiff, TIFFTAG_TILEWIDTH, &block_width);
    TIFFGetField(tiff, TIFFTAG_TILELENGTH, &block_height);
    // A tile may stand over the image's edge, but not be a bomb of its own.
    check_size(source, block_width, block_height);
  } else {
    TIFFGetFieldDefaulted(tiff, TIFFTAG_ROWSPERSTRIP, &block_height);
    block_height = std::min(block_height, layout.height);
    if (block_height == 0) refuse_corrupt(source, "strips of 0 rows");
  }
  layout.block_width = block_width;
  layout.block_height = block_height;
  const std::uint64_t block_samples = layout.planar == PLANARCONFIG_SEPARATE ? 1 : layout.samples;
  layout.row_bytes = (block_width * block_samples * layout.bits + 7) / 8;
  layout.block_bytes = layout.row_bytes * block_height;
  return layout;
}

// One row of a block -> 16-bit samples, low-bit ones kept as they are. libtiff gives 16-bit samples in the machine's
// order.
void unpack(const std::uint8_t* row, std::size_t count, int bits, std::uint16_t* to) {
  if (bits == 16) {
    std::memcpy(to, row, count * 2);
    return;
  }
  const int per_byte = 8 / bits;
  const unsigned mask = (1u << bits) - 1;
  for (std::size_t i = 0; i < count; ++i) {
    const int shift = 8 - bits * (1 + static_cast<int>(i % static_cast<std::size_t>(per_byte)));
    to[i] = static_cast<std::uint16_t>(row[i / static_cast<std::size_t>(per_byte)] >> shift & mask);
  }
}

// Turns samples into the 1 (grey) or 3 (RGB) channels of the result.
class Converter {
 public:
  Converter(TIFF* tiff, const Layout& layout, const Source& source) : layout_(layout), purpose_(source.purpose) {
    if (layout.photometric != PHOTOMETRIC_PALETTE) return;
    if (TIFFGetField(tiff, TIFFTAG_COLORMAP, &palette_[0], &palette_[1], &palette_[2]) == 0)
      refuse_corrupt(source, "it has no palette");
  }

  int channels() const { return layout_.colours() == 1 && layout_.photometric != PHOTOMETRIC_PALETTE ? 1 : 3; }

  // `pixel`: all samples of one pixel.
  void convert(const std::uint16_t* pixel, std::uint8_t* to) const {
    if (layout_.photometric == PHOTOMETRIC_PALETTE) {
      for (int c = 0; c < 3; ++c) to[c] = static_cast<std::uint8_t>(palette_[c][pixel[0]] >> 8);
    } else if (layout_.photometric == PHOTOMETRIC_SEPARATED) {
      const std::uint8_t ink[4] = {byte(pixel[0]), byte(pixel[1]), byte(pixel[2]), byte(pixel[3])};
      cmyk_to_rgb(ink, to);
    } else if (layout_.photometric == PHOTOMETRIC_RGB) {
      for (int c = 0; c < 3; ++c) to[c] = straight(byte(pixel[c]), pixel);
    } else {
      to[0] = grey(pixel);
    }
  }

 private:
  std::uint8_t byte(std::uint16_t sample) const {
    return static_cast<std::uint8_t>(layout_.bits == 16 ? sample >> 8 : sample);
  }

  std::uint8_t grey(const std::uint16_t* pixel) const {
    const bool white_is_zero = layout_.photometric == PHOTOMETRIC_MINISWHITE;
    if (layout_.bits == 16)
      return grey16(white_is_zero ? static_cast<std::uint16_t>(65535 - pixel[0]) : pixel[0], purpose_);
    const unsigned full = (1u << layout_.bits) - 1;
    const auto value = static_cast<std::uint8_t>(pixel[0] * (255 / full));
    return straight(static_cast<std::uint8_t>(white_is_zero ? 255 - value : value), pixel);
  }

  // Divides by an associated alpha, as Pillow does on reading.
  std::uint8_t straight(std::uint8_t colour, const std::uint16_t* pixel) const {
    if (!layout_.associated_alpha) return colour;
    const int alpha = byte(pixel[layout_.colours()]);
    if (alpha == 0 || alpha == 255) return alpha == 0 ? 0 : colour;
    return static_cast<std::uint8_t>(std::min(255, 255 * colour / alpha));
  }

  Layout layout_;
  Purpose purpose_;
  std::uint16_t* palette_[3] = {};
};

// Reads one strip or tile of one plane whole; anything short of that is damage.
void read_block(TIFF* tiff, const Layout& layout, std::size_t left, std::size_t top, std::uint16_t plane,
                std::uint8_t* to, const Stream& stream, const Source& source) {
  const auto x = static_cast<std::uint32_t>(left), y = static_cast<std::uint32_t>(top);
  const std::size_t rows = layout.tiled ? layout.block_height : std::min(layout.block_height, layout.height - top);
  const auto wanted = static_cast<tmsize_t>(layout.row_bytes * rows);
  const tmsize_t got = layout.tiled ? TIFFReadEncodedTile(tiff, TIFFComputeTile(tiff, x, y, 0, plane), to, wanted)
                                    : TIFFReadEncodedStrip(tiff, TIFFComputeStrip(tiff, y, plane), to, wanted);
  if (got != wanted || !stream.error.empty())
    refuse_corrupt(source, stream.error.empty() ? "a strip or tile is too short" : stream.error);
}

}  // namespace

Image decode_tiff(const Source& source, int* orientation) {
  Stream stream{source.bytes};
  // Largest single buffer of libtiff: all samples of the largest image we read; at least what its codecs need to start.
  const File file = open_tiff(&stream, std::max(source.limits.max_pixels * 8, std::uint64_t{1} << 20));
  if (file == nullptr) refuse_corrupt(source, stream.error.empty() ? "no directory" : stream.error);
  TIFF* tiff = file.get();
  const Layout layout = read_layout(tiff, source);
  if (!stream.error.empty()) refuse_corrupt(source, stream.error);
  const std::size_t expected = static_cast<std::size_t>(
      layout.tiled ? TIFFTileSize64(tiff) : TIFFVStripSize64(tiff, static_cast<std::uint32_t>(layout.block_height)));
  if (expected != layout.block_bytes) refuse_unsupported(source, "a TIFF whose samples are subsampled");

  std::uint16_t tag = 0;
  if (TIFFGetField(tiff, TIFFTAG_ORIENTATION, &tag) != 0) {
    *orientation = tag;
  } else {
    std::uint32_t size = 0;
    const void* packet = nullptr;
    if (TIFFGetField(tiff, TIFFTAG_XMLPACKET, &size, &packet) != 0)
      *orientation = xmp_orientation({static_cast<const char*>(packet), size});
  }

  const Converter converter(tiff, layout, source);
  const std::size_t samples = layout.samples, planes = layout.planar == PLANARCONFIG_SEPARATE ? samples : 1;
  if (layout.block_bytes * planes > source.limits.max_pixels * 8)  // RGBA of 16 bits
    refuse_unsupported(source, fmt::format("a TIFF with strips or tiles of {} bytes", layout.block_bytes * planes));
  Image image(static_cast<int>(layout.width), static_cast<int>(layout.height), converter.channels());
  std::vector<std::uint8_t> blocks(layout.block_bytes * planes);  // the same block of each plane
  std::vector<std::uint16_t> plane_row(layout.block_width * samples / planes), row(layout.block_width * samples);

  stream.decoding = true;
  for (std::size_t top = 0; top < layout.height; top += layout.block_height) {
    for (std::size_t left = 0; left < layout.width; left += layout.block_width) {
      for (std::size_t plane = 0; plane < planes; ++plane)
        read_block(tiff, layout, left, top, static_cast<std::uint16_t>(plane), &blocks[plane * layout.block_bytes],
                   stream, source);
      const std::size_t rows = std::min(layout.block_height, layout.height - top);
      const std::size_t columns = std::min(layout.block_width, layout.width - left);
      for (std::size_t y = 0; y < rows; ++y) {
        for (std::size_t plane = 0; plane < planes; ++plane) {
          unpack(&blocks[plane * layout.block_bytes + y * layout.row_bytes], plane_row.size(), layout.bits,
                 plane_row.data());
          if (planes == 1)
            row.swap(plane_row);
          else
            for (std::size_t x = 0; x < columns; ++x) row[x * samples + plane] = plane_row[x];
        }
        for (std::size_t x = 0; x < columns; ++x)
          converter.convert(&row[x * samples], image.at(static_cast<int>(left + x), static_cast<int>(top + y)));
      }
    }
  }
  return image;
}

}  // namespace cp::detail
