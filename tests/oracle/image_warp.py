"""Affine warps by SciPy (independent of Pillow and of our code), the nearest edge pixel outside.

Writes tests/golden/image/warp.json: matrices, sizes, and the values of every third pixel of every third row; bilinear ones
are not rounded to whole numbers.

    python tests/oracle/image_warp.py
"""

import json
import math
import pathlib

import numpy
import scipy
from PIL import Image
from scipy import ndimage

HERE = pathlib.Path(__file__).resolve().parent
GOLDEN = HERE.parent / "golden" / "image"


def turned(degrees, scale, width, height):
    """Inverse matrix of a turn and a scale about the middle of a width x height image, pixel-corner coordinates."""
    c, s = math.cos(math.radians(degrees)) / scale, math.sin(math.radians(degrees)) / scale
    x, y = width / 2, height / 2
    return [c, s, x - c * x - s * y, -s, c, y + s * x - c * y]


def main():
    source = numpy.array(Image.open(GOLDEN / "kinds" / "png_rgb.png").convert("RGB"))
    height, width = source.shape[:2]
    cases = []
    for matrix, size in [
        (turned(5, 1.0, width, height), (width, height)),
        (turned(-5, 1.1, width, height), (width, height)),
        (turned(33, 0.6, width, height), (20, 24)),
        ([0.9, 0, 1.7, 0, 0.93, 0.4], (width, height)),
        ([1, 0, -6.25, 0, 1, 8.5], (30, 30)),
    ]:
        a, b, c, d, e, f = matrix
        y, x = numpy.mgrid[0:size[1], 0:size[0]] + 0.5
        where = [d * x + e * y + f - 0.5, a * x + b * y + c - 0.5]
        planes = [ndimage.map_coordinates(source[..., k].astype(float), where, order=1, mode="nearest") for k in range(3)]
        nearest_where = [numpy.floor(where[0] + 0.5), numpy.floor(where[1] + 0.5)]
        nearest = [ndimage.map_coordinates(source[..., k], nearest_where, order=0, mode="nearest") for k in range(3)]
        cases.append({"inverse": matrix, "size": size,
                      "bilinear": numpy.round(numpy.stack(planes, -1), 3)[::3, ::3].reshape(-1).tolist(),
                      "nearest": numpy.stack(nearest, -1)[::3, ::3].reshape(-1).tolist()})
    out = {"versions": {"scipy": scipy.__version__, "numpy": numpy.__version__}, "every": 3, "cases": cases}
    (GOLDEN / "warp.json").write_text(json.dumps(out, separators=(",", ":")) + "\n")
    print(len(cases), "cases")


main()
