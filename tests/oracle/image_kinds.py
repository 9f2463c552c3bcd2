"""Small image files of many kinds, and what Pillow, NumPy and transformers make of them.

Writes tests/golden/image/kinds/* and tests/golden/image/kinds.json. Per kind: size and hash of Pillow's RGB pixels; hashes
after Image.resize with each filter to three sizes, RGB and first channel alone; hashes of the float32 tensors that
transformers' NumPy image transforms make. Hashes are the first 16 hex digits of SHA-256.

    python tests/oracle/image_kinds.py
"""

import hashlib
import io
import json
import pathlib
import struct
import zlib

import numpy
import PIL
import transformers
from PIL import Image, ImageOps
from transformers import image_transforms

HERE = pathlib.Path(__file__).resolve().parent
GOLDEN = HERE.parent / "golden" / "image"
SIZES = [(64, 48), (16, 11), (50, 13)]  # up, down, across; odd and even
FILTERS = ["NEAREST", "BOX", "BILINEAR", "HAMMING", "BICUBIC", "LANCZOS"]
RNG = numpy.random.default_rng(20240501)


def digest(data):
    return hashlib.sha256(data).hexdigest()[:16]


def picture(width, height, channels, maximum=255):
    """Gradients, a hard edge and noise: every kind of content a filter or a predictor meets."""
    y, x = numpy.mgrid[0:height, 0:width]
    planes = []
    for c in range(channels):
        plane = (x * (3 + c) + y * (5 - c)) % 97 / 97.0
        plane[(x // 7 + y // 5) % 3 == c % 3] *= 0.4
        plane += RNG.random((height, width)) * 0.3 * (x > width // 2)
        planes.append(numpy.clip(plane, 0, 1))
    return numpy.rint(numpy.stack(planes, -1) * maximum).astype(numpy.uint16)


def png(array, depth, colour_type, extra=b"", interlaced=False):
    """A PNG with any depth and interlacing, which Pillow cannot write. `array` (H W C); `extra` chunks before IDAT."""
    def chunk(name, data):
        return struct.pack(">I", len(data)) + name + data + struct.pack(">I", zlib.crc32(name + data))

    def rows(part):
        out = b""
        for row in part:
            bits = "".join(format(int(v), f"0{depth}b") for v in row.reshape(-1))
            bits += "0" * (-len(bits) % 8)
            out += b"\0" + int(bits, 2).to_bytes(len(bits) // 8, "big")
        return out

    height, width = array.shape[:2]
    passes = [(0, 0, 8, 8), (4, 0, 8, 8), (0, 4, 4, 8), (2, 0, 4, 4), (0, 2, 2, 4), (1, 0, 2, 2), (0, 1, 1, 2)]
    parts = [array[y::dy, x::dx] for x, y, dx, dy in passes] if interlaced else [array]
    data = b"".join(rows(p) for p in parts if p.size)
    header = struct.pack(">IIBBBBB", width, height, depth, colour_type, 0, 0, int(interlaced))
    return (b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + extra_chunks(chunk, extra) +
            chunk(b"IDAT", zlib.compress(data, 9)) + chunk(b"IEND", b""))


def extra_chunks(chunk, extra):
    return b"".join(chunk(name, data) for name, data in extra or [])


def tiff(array, tags, order="<", tile=None, planar=False):
    """An uncompressed TIFF in tiles, planes or either byte order. `array` (H W C) of uint8 or uint16; `tags` {tag: shorts}."""
    height, width, channels = array.shape
    kind = numpy.dtype(array.dtype).newbyteorder(order)
    planes = [array[:, :, c:c + 1] for c in range(channels)] if planar else [array]
    blocks = []
    for plane in planes:
        if tile:
            for y in range(0, height, tile):
                for x in range(0, width, tile):
                    block = numpy.zeros((tile, tile, plane.shape[2]), array.dtype)
                    part = plane[y:y + tile, x:x + tile]
                    block[:part.shape[0], :part.shape[1]] = part
                    blocks.append(block.astype(kind).tobytes())
        else:
            for y in range(0, height, 8):
                blocks.append(plane[y:y + 8].astype(kind).tobytes())
    entries = {256: [width], 257: [height], 258: [array.dtype.itemsize * 8] * channels, 259: [1], 277: [channels],
               284: [2 if planar else 1], **tags}
    entries.update({322: [tile], 323: [tile]} if tile else {278: [8]})
    offsets, counts = (324, 325) if tile else (273, 279)
    entries[offsets], entries[counts] = [0] * len(blocks), [len(b) for b in blocks]
    after = 8 + 2 + 12 * len(entries) + 4
    extra_size = sum(4 * len(v) for t, v in entries.items() if len(v) > 1)
    position = after + extra_size
    entries[offsets] = [position + sum(len(b) for b in blocks[:i]) for i in range(len(blocks))]
    directory, extra = struct.pack(order + "H", len(entries)), b""
    for tag in sorted(entries):
        values = entries[tag]
        long = tag in (offsets, counts)
        data = struct.pack(order + ("I" if long else "H") * len(values), *values)
        if len(data) <= 4:
            field = data.ljust(4, b"\0")
        else:
            field = struct.pack(order + "I", after + len(extra))
            extra += data.ljust(4 * len(values), b"\0")
        directory += struct.pack(order + "HHI", tag, 4 if long else 3, len(values)) + field
    magic = b"II*\0" if order == "<" else b"MM\0*"
    body = directory + b"\0" * 4 + extra
    return magic + struct.pack(order + "I", 8) + body.ljust(position - 8, b"\0") + b"".join(blocks)


def exif(orientation):
    block = Image.Exif()
    block[0x0112] = orientation
    return block.tobytes()


def saved(array, mode, kind, **options):
    array = array.astype(numpy.uint8)
    image = Image.fromarray(array[:, :, 0] if array.shape[2] == 1 else array)
    image = image if mode is None else image.convert(mode)
    out = io.BytesIO()
    image.save(out, kind, **options)
    return out.getvalue()


def kinds():
    rgb, grey = picture(37, 29, 3), picture(37, 29, 1)
    cmyk = Image.fromarray(picture(33, 26, 4).astype(numpy.uint8), "CMYK")
    palette = bytes(RNG.integers(0, 256, 3 * 256, dtype=numpy.uint8))
    jpeg_exif = lambda n: saved(picture(23, 14, 3), None, "JPEG", quality=90, exif=exif(n))

    def save_image(image, kind, **options):
        out = io.BytesIO()
        image.save(out, kind, **options)
        return out.getvalue()

    result = {
        "png_rgb.png": saved(rgb, None, "PNG"),
        "png_rgba.png": saved(picture(32, 32, 4), None, "PNG"),
        "png_1x1.png": saved(picture(1, 1, 3), None, "PNG"),
        "png_wide.png": saved(picture(200, 3, 3), None, "PNG"),
        "png_tall.png": saved(picture(2, 90, 1), None, "PNG"),
        "png_grey1.png": png(picture(37, 29, 1, 1), 1, 0),
        "png_grey2.png": png(picture(37, 29, 1, 3), 2, 0),
        "png_grey4.png": png(picture(37, 29, 1, 15), 4, 0),
        "png_grey8.png": png(grey, 8, 0),
        "png_grey16.png": png(picture(21, 18, 1, 65535), 16, 0),
        "png_grey_alpha.png": png(picture(24, 17, 2), 8, 4),
        "png_grey_alpha16.png": png(picture(20, 16, 2, 65535), 16, 4),
        "png_rgb16.png": png(picture(19, 16, 3, 65535), 16, 2),
        "png_rgba16.png": png(picture(19, 16, 4, 65535), 16, 6),
        "png_rgb_trns.png": png(rgb, 8, 2, [(b"tRNS", struct.pack(">HHH", *rgb[0, 0]))]),
        "png_grey_trns.png": png(grey, 8, 0, [(b"tRNS", struct.pack(">H", grey[0, 0, 0]))]),
        "png_palette1.png": png(picture(37, 29, 1, 1), 1, 3, [(b"PLTE", palette[:6])]),
        "png_palette2.png": png(picture(37, 29, 1, 3), 2, 3, [(b"PLTE", palette[:12])]),
        "png_palette4.png": png(picture(37, 29, 1, 15), 4, 3, [(b"PLTE", palette[:48])]),
        "png_palette8.png": png(grey, 8, 3, [(b"PLTE", palette)]),
        "png_palette_trns.png": png(grey % 16, 8, 3, [(b"PLTE", palette[:48]), (b"tRNS", bytes(range(0, 160, 10)))]),
        "png_gamma_icc.png": png(rgb, 8, 2, [(b"gAMA", struct.pack(">I", 30000)), (b"sRGB", b"\0")]),
        "png_interlaced_rgb.png": png(rgb, 8, 2, interlaced=True),
        "png_interlaced_palette4.png": png(picture(37, 29, 1, 15), 4, 3, [(b"PLTE", palette[:48])], interlaced=True),
        "png_exif6.png": png(picture(23, 14, 3), 8, 2, [(b"eXIf", exif(6)[6:])]),
        "jpeg_420.jpg": saved(rgb, None, "JPEG", quality=85, subsampling=2),
        "jpeg_422.jpg": saved(rgb, None, "JPEG", quality=85, subsampling=1),
        "jpeg_444.jpg": saved(picture(40, 24, 3), None, "JPEG", quality=95, subsampling=0),
        "jpeg_grey.jpg": saved(grey, None, "JPEG", quality=85),
        "jpeg_progressive.jpg": saved(rgb, None, "JPEG", quality=80, progressive=True),
        "jpeg_restart.jpg": saved(rgb, None, "JPEG", quality=80, restart_marker_blocks=2),
        "jpeg_keep_rgb.jpg": saved(rgb, None, "JPEG", quality=80, keep_rgb=True),
        "jpeg_cmyk.jpg": save_image(cmyk, "JPEG", quality=85),
        "tiff_rgb_raw.tif": saved(rgb, None, "TIFF"),
        "tiff_rgb_lzw.tif": saved(rgb, None, "TIFF", compression="tiff_lzw"),
        "tiff_rgb_deflate.tif": saved(rgb, None, "TIFF", compression="tiff_adobe_deflate"),
        "tiff_rgb_packbits.tif": saved(picture(32, 20, 3), None, "TIFF", compression="packbits"),
        "tiff_rgb_jpeg.tif": saved(picture(32, 32, 3), None, "TIFF", compression="jpeg", quality=90),
        "tiff_rgb_big.tif": saved(picture(20, 21, 3), None, "TIFF", big_tiff=True),
        "tiff_g4.tif": saved(grey, "1", "TIFF", compression="group4"),
        "tiff_g3.tif": saved(grey, "1", "TIFF", compression="group3"),
        "tiff_palette.tif": save_image(Image.fromarray(rgb.astype(numpy.uint8)).quantize(20), "TIFF"),
        "tiff_cmyk.tif": save_image(cmyk, "TIFF", compression="tiff_lzw"),
        "tiff_rgba.tif": saved(picture(21, 17, 4), None, "TIFF", compression="tiff_lzw"),
        "tiff_rgba_associated.tif": tiff(picture(21, 17, 4).astype(numpy.uint8), {262: [2], 338: [1]}),
        "tiff_grey_white_is_zero.tif": tiff(picture(21, 17, 1).astype(numpy.uint8), {262: [0]}),
        "tiff_grey16_le.tif": tiff(picture(21, 17, 1, 65535), {262: [1]}),
        "tiff_grey16_be.tif": tiff(picture(21, 17, 1, 65535), {262: [1]}, order=">"),
        "tiff_rgb16_be.tif": tiff(picture(18, 17, 3, 65535), {262: [2]}, order=">"),
        "tiff_tiled.tif": tiff(rgb.astype(numpy.uint8), {262: [2]}, tile=16),
        "tiff_planar.tif": tiff(picture(25, 19, 3).astype(numpy.uint8), {262: [2]}, planar=True),
        "tiff_orientation5.tif": tiff(picture(23, 14, 3).astype(numpy.uint8), {262: [2], 274: [5]}),
    }
    result.update({f"jpeg_exif{n}.jpg": jpeg_exif(n) for n in range(2, 9)})
    return result


def read(path):
    """Pillow's RGB picture; 16-bit grey by our rule (high byte), since Pillow clips everything above 255 to white."""
    with Image.open(path) as opened:
        image = ImageOps.exif_transpose(opened)
        if image.mode.startswith("I;16"):
            image = Image.fromarray((numpy.array(image, dtype=numpy.uint16) >> 8).astype(numpy.uint8))
        return image.convert("RGB")


def square_tensor(image, size):
    pixels = numpy.array(image.resize((size, size), Image.Resampling.BICUBIC))
    return normalised(pixels, [127 / 255] * 3, [128 / 255] * 3)


def clip_tensor(image, size):
    height, width = image_transforms.get_resize_output_image_size(
        numpy.array(image), size, default_to_square=False, input_data_format="channels_last")
    pixels = numpy.array(image.resize((width, height), Image.Resampling.BICUBIC))
    pixels = image_transforms.center_crop(pixels, (size, size), input_data_format="channels_last")
    return normalised(pixels, [0.48145466, 0.4578275, 0.40821073], [0.26862954, 0.26130258, 0.27577711])


def normalised(pixels, mean, std):
    scaled = image_transforms.rescale(pixels, 1 / 255)
    out = image_transforms.normalize(scaled, mean, std, input_data_format="channels_last")
    assert out.dtype == numpy.float32
    return out.transpose(2, 0, 1).tobytes()


def main():
    folder = GOLDEN / "kinds"
    folder.mkdir(parents=True, exist_ok=True)
    result = {}
    for name, data in kinds().items():
        (folder / name).write_bytes(data)
        image = read(folder / name)
        first = image.getchannel(0)
        entry = {"size": list(image.size), "rgb": digest(image.tobytes()), "resized": {}, "first_resized": {}}
        for kind in FILTERS:
            method = Image.Resampling[kind]
            entry["resized"][kind.lower()] = [digest(image.resize(s, method).tobytes()) for s in SIZES]
            entry["first_resized"][kind.lower()] = [digest(first.resize(s, method).tobytes()) for s in SIZES]
        entry["square32"] = digest(square_tensor(image, 32))
        entry["clip24"] = digest(clip_tensor(image, 24))
        result[name] = entry
    versions = {"pillow": PIL.__version__, "numpy": numpy.__version__, "transformers": transformers.__version__}
    out = {"versions": versions, "sizes": SIZES, "kinds": result}
    (GOLDEN / "kinds.json").write_text(json.dumps(out, separators=(",", ":")).replace('},"', '},\n"') + "\n")
    print(len(result), "kinds,", sum(len((folder / n).read_bytes()) for n in result), "bytes")


main()
