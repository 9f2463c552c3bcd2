#!/usr/bin/env python3
"""The evidence of the condition `visual_grid` (docs/heads.md), in NumPy and scipy.

In:  nothing; weights and inputs are drawn by nano_random.py's generator, as tests/runtime/evidence_test.cpp draws them.
Out: tests/golden/runtime/evidence.json: every 37th cell of the evidence and the log-odds of a, for each source and grid.
Not here: any code of this repository; what is done with the evidence (tests/runtime/places_test.cpp has Bayes' rule).

    python tests/oracle/evidence_reference.py tests/golden/runtime/evidence.json
"""
import json
import math
import sys

import numpy as np
from nano_random import TEST, Philox
from scipy import ndimage

SEED, FIRST_WEIGHT, FIRST_INPUT, HIDDEN, SIDE, WORK, WIDTH, GLOBAL = 7, 500, 900, 32, 64, 32, 32, 128


def draw(sample, *shape):
    return Philox(SEED, TEST, sample).normals(int(np.prod(shape))).reshape(shape)


def sigmoid(x):
    return 1 / (1 + np.exp(-x))


def gelu(x):
    return 0.5 * x * (1 + np.vectorize(math.erf)(x / math.sqrt(2)))


def layer_norm(w, x):
    x = x - x.mean(-1, keepdims=True)
    return x / np.sqrt((x * x).mean(-1, keepdims=True) + 1e-5) * w["evidence.norm.weight"] + w["evidence.norm.bias"]


def linear(w, name, x):
    weight = w[f"evidence.{name}.weight"]
    return x @ weight.reshape(weight.shape[:2]).T + w[f"evidence.{name}.bias"]


def shapes(sources, grid):
    out = []

    def layer(name, *shape):
        out.extend([(f"evidence.{name}.weight", shape), (f"evidence.{name}.bias", shape[:1])])

    channels = 20 if "map" in sources else 0
    if "hidden" in sources:
        layer("norm", HIDDEN)
        if WORK % grid == 0:
            layer("shuffle", 8 * (WORK // grid) ** 2, HIDDEN)
            channels += 8
        layer("lift", 16, HIDDEN)
        layer("gate", 16, HIDDEN)
        layer("last", GLOBAL, HIDDEN)
        channels += 16
    layer("in", WIDTH, channels, 1, 1)
    layer("global", GLOBAL, 2 * WIDTH)
    layer("film", 2 * WIDTH, GLOBAL)
    for i in range(4):
        layer(f"conv.{i}", WIDTH, WIDTH, 3, 3)
    layer("out", 4, WIDTH, 1, 1)
    layer("action", 1, GLOBAL)
    if "map" in sources:
        out.extend([("evidence.map_scale", ()), ("evidence.flag_scale", ())])
    return out + [("evidence.log_spread", ()), ("evidence.log_action_spread", ())]


def weights(sources, grid):
    made = {}
    for i, (name, shape) in enumerate(shapes(sources, grid)):
        n = draw(FIRST_WEIGHT + i, *(shape or (1,)))
        if not shape:
            n = n[0] * 0.1 + 0.5
        elif name == "evidence.norm.weight":
            n = 1 + 0.1 * n
        elif name.endswith("bias"):
            n = 0.1 * n
        else:
            n = n / np.sqrt(np.prod(shape[1:]))
        made[name] = np.asarray(n, np.float32).astype(np.float64)
    return made


def component_planes(h):
    q = sigmoid(h)
    labels, count = ndimage.label(q >= min(0.5, 0.5 * q.max()))
    mass = ndimage.sum_labels(q, labels, range(1, count + 1))
    planes, (rows, columns) = np.zeros((3, SIDE, SIDE)), np.mgrid[:SIDE, :SIDE]
    for j, (down, across) in enumerate(ndimage.find_objects(labels)):
        share, inside = mass[j] / mass.max(), labels == j + 1
        planes[0][inside] = share
        planes[2][inside] = np.log1p(mass[j] / 4) / 5
        d2 = (rows - (down.start + down.stop - 1) / 2) ** 2 + (columns - (across.start + across.stop - 1) / 2) ** 2
        planes[1] = np.maximum(planes[1], share * np.exp(-d2 / 8))
    return planes


def bilinear(x, side):
    """x (G G C) -> (side side C), half-pixel centres, edges repeated."""
    at = np.clip((np.arange(side) + 0.5) * len(x) / side - 0.5, 0, None)
    low = at.astype(int)
    high, part = np.minimum(low + 1, len(x) - 1), at - low
    x = x[low] * (1 - part)[:, None, None] + x[high] * part[:, None, None]
    return x[:, low] * (1 - part)[None, :, None] + x[:, high] * part[None, :, None]


def convolve(w, name, x, dilation):
    weight, y = w[f"evidence.{name}.weight"], w[f"evidence.{name}.bias"]
    padded = np.pad(x, ((dilation, dilation), (dilation, dilation), (0, 0)))
    for i in range(3):
        for j in range(3):
            y = y + padded[i * dilation : i * dilation + WORK, j * dilation : j * dilation + WORK] @ weight[:, :, i, j].T
    return y


def evidence(w, sources, grid, v, last, h, flag):
    parts = []
    if "map" in sources:
        planes = np.concatenate([sigmoid(h)[None], h[None] / 6, component_planes(h)])
        parts.append(planes.reshape(5, WORK, 2, WORK, 2).transpose(1, 3, 0, 2, 4).reshape(WORK, WORK, 20))
    if "hidden" in sources:
        v, last = layer_norm(w, v), layer_norm(w, last)
        if WORK % grid == 0:
            p = WORK // grid
            parts.append(linear(w, "shuffle", v).reshape(grid, grid, 8, p, p).transpose(0, 3, 1, 4, 2).reshape(WORK, WORK, 8))
        parts.append(bilinear((linear(w, "lift", v) * np.tanh(linear(w, "gate", last))).reshape(grid, grid, 16), WORK))
    z = gelu(linear(w, "in", np.concatenate(parts, 2)))
    g = linear(w, "global", np.concatenate([z.mean((0, 1)), z.max((0, 1))]))
    if "hidden" in sources:
        g = g + linear(w, "last", last)
    g = g * sigmoid(g)
    film = linear(w, "film", g)
    z = z * (1 + film[:WIDTH]) + film[WIDTH:]
    for i, dilation in enumerate((1, 2, 4, 1)):
        z = z + gelu(convolve(w, f"conv.{i}", z, dilation))
    e = linear(w, "out", z).reshape(WORK, WORK, 2, 2).transpose(0, 2, 1, 3).reshape(SIDE, SIDE)
    action = linear(w, "action", g)[0]
    if "map" in sources:
        e, action = e + w["evidence.map_scale"] * h, action + w["evidence.flag_scale"] * flag
    return e, action


def main(path):
    cases = []
    for sources in ("hidden", "map", "hidden+map"):
        for grid in (4, 7):
            v, last = draw(FIRST_INPUT, grid * grid, HIDDEN), draw(FIRST_INPUT + 1, HIDDEN)
            h = 3 * draw(FIRST_INPUT + 2, SIDE, SIDE) - 2
            v, last, h = (x.astype(np.float32).astype(np.float64) for x in (v, last, h))
            e, action = evidence(weights(sources, grid), sources, grid, v, last, h, 0.75)
            cases.append({"sources": sources, "grid": grid, "action": float(f"{action:.9g}"),
                          "evidence": [float(f"{x:.9g}") for x in e.ravel()[::37]]})
    with open(path, "w") as file:
        json.dump(cases, file, separators=(",", ":"))
        file.write("\n")


if __name__ == "__main__":
    main(sys.argv[1])
