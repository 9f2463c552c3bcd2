"""Components of small masks by scipy.ndimage, for tests/golden/data/components.json.

For each mask the 8-connected components (what the product computes) and the 4-connected ones (the planted fault):
class of most pixels, half-open box in pixels, area, centroid of the pixel centres; largest first, ties by (y0, x0), then
by scipy's label number (order of the first pixel). Usage: data_components.py > tests/golden/data/components.json
"""
import json
import sys

import numpy as np
from scipy import ndimage

NAMES = {128: "road", 255: "building"}
PREFERENCE = ["building", "road", "change"]  # wins a tie


def components(mask, structure):
    labels, count = ndimage.label(mask > 0, structure)
    found = []
    for k, (rows, columns) in enumerate(ndimage.find_objects(labels), start=1):
        here = labels == k
        area = int(ndimage.sum(here, labels, k))
        cy, cx = ndimage.center_of_mass(here)
        values = [NAMES.get(int(v), "change") for v in mask[here]]
        kind = max(PREFERENCE, key=values.count)  # the first of equals
        box = [columns.start, rows.start, columns.stop, rows.stop]
        found.append({"class": kind, "box": box, "area": area, "centroid": [cx + 0.5, cy + 0.5]})
    assert len(found) == count
    return sorted(found, key=lambda c: (-c["area"], c["box"][1], c["box"][0]))


def masks():
    rng = np.random.default_rng(20)
    yield "empty", np.zeros((5, 7), np.uint8)
    yield "full", np.full((6, 4), 255, np.uint8)
    yield "one pixel", np.pad(np.array([[1]], np.uint8), ((3, 1), (6, 0)))
    yield "diagonal", np.diag(np.full(9, 255, np.uint8))
    spiral = np.zeros((15, 15), np.uint8)
    spiral[::2, :] = 128
    spiral[1::4, -1] = 255
    spiral[3::4, 0] = 255
    yield "snake", spiral
    tie = np.zeros((3, 8), np.uint8)
    tie[0, :4] = [128, 128, 255, 255]
    tie[2, 4:] = [1, 1, 128, 128]
    yield "class ties", tie
    for i, density in enumerate((0.1, 0.25, 0.4, 0.5, 0.6)):
        yield f"noise {density}", np.where(rng.random((14 + i, 22 - i)) < density, rng.choice([128, 255], (14 + i, 22 - i)), 0).astype(np.uint8)
    yield "noise 0/1", (rng.random((20, 20)) < 0.3).astype(np.uint8)
    smooth = ndimage.gaussian_filter(rng.random((48, 64)), 2.5)
    yield "blobs", np.where(smooth > np.quantile(smooth, 0.8), 255, 0).astype(np.uint8)


eight, four = np.ones((3, 3)), ndimage.generate_binary_structure(2, 1)
cases = [{"name": name, "width": m.shape[1], "height": m.shape[0], "pixels": m.ravel().tolist(),
          "eight": components(m, eight), "four": components(m, four)} for name, m in masks()]
json.dump({"cases": cases}, sys.stdout, separators=(",", ":"))
sys.stdout.write("\n")
