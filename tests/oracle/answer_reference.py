#!/usr/bin/env python3
"""What is made of the action head's samples and the change map (docs/nano.md, sections 5 and 6), in NumPy and scipy.

In:  nothing; samples and maps are drawn by NumPy.
Out: tests/golden/runtime/answer.json: modes, ranked changes, weights of the places and regions of made-up answers.
Not here: any code of this repository; the networks (nano_reference.py, which uses the functions here).

    python tests/oracle/answer_reference.py tests/golden/runtime/answer.json
"""
import json
import sys

import numpy as np
from scipy import ndimage
from scipy.spatial.distance import cdist


def sigmoid(x):
    return 1 / (1 + np.exp(-x))


def shift(points, samples, width, steps):
    for _ in range(steps):
        weights = np.exp(-cdist(points, samples, "sqeuclidean") / (2 * width**2))
        points = weights @ samples / weights.sum(1, keepdims=True)
    return points


def find_modes(samples):
    """samples (N 2) in [-1, 1] -> densest first."""
    ends = shift(samples, samples, 0.12, 15)
    density = np.exp(-cdist(ends, samples, "sqeuclidean") / (2 * 0.12**2)).mean(1)
    left, modes = np.ones(len(samples), bool), []
    for i in np.argsort(-np.round(density, 9), kind="stable"):
        if not left[i]:
            continue
        near = left & (np.linalg.norm(ends - ends[i], axis=1) < 0.7 * 0.12)
        left &= ~near
        point = ends[i : i + 1]
        for width in (0.09, 0.07, 0.05):
            point = shift(point, samples, width, 6)
        for mode in modes:  # met an earlier one
            if np.linalg.norm(mode["point"] - point[0]) < 0.7 * 0.12:
                mode["near"] |= near
                break
        else:
            modes.append({"point": point[0], "density": density[i], "near": near})
    return [{"point": m["point"], "density": m["density"], "mass": m["near"].mean(),
             "members": np.nonzero(m["near"])[0].tolist()} for m in modes]


def cell_of(u, side):
    return int(np.clip(np.floor((u + 1) / 2 * side), 0, side - 1))


def components(h):
    """Largest sum of probabilities first; (change, mask) each."""
    q, side = sigmoid(h), len(h)
    labels, count = ndimage.label(q >= min(0.5, 0.5 * q.max()))
    found = []
    for k in range(1, count + 1):
        here = labels == k
        alone = np.where(here, q, 0)
        peak = ndimage.gaussian_filter(alone, 1.0).argmax()
        (rows, columns), s = np.nonzero(here), side
        found.append(({"x": (peak % s + 0.5) / s, "y": (peak // s + 0.5) / s, "mass": 0.0, "area": alone.sum() / s**2,
                       "cells": int(here.sum()),
                       "box": [columns.min() / s, rows.min() / s, (columns.max() + 1) / s, (rows.max() + 1) / s]}, here))
    return sorted(found, key=lambda f: -f[0]["area"])


def rank_changes(modes, samples, h):
    side, found, alone = len(h), components(h), []
    reach = np.hypot(*np.mgrid[-side : side + 1, -side : side + 1])  # distance from the middle cell
    for mode in sorted(modes, key=lambda m: -m["mass"]):
        x, y = (np.asarray(mode["point"]) + 1) / 2
        column, row = cell_of(mode["point"][0], side), cell_of(mode["point"][1], side)
        away = reach[side - row : 2 * side - row, side - column : 2 * side - column]
        distances = [away[here].min() for _, here in found]
        if found and min(distances) <= 2:
            change = found[int(np.argmin(distances))][0]
            if change["mass"] == 0:
                change["x"], change["y"] = x, y
            change["mass"] += mode["mass"]
        else:
            spread = np.concatenate([(samples[mode["members"]] + 1) / 2, [[x, y]]])
            low, high = spread.min(0) - 0.5 / side, spread.max(0) + 0.5 / side
            alone.append({"x": x, "y": y, "mass": mode["mass"], "area": 0.0, "cells": 0,
                          "box": np.clip([*low, *high], 0, 1).tolist()})
    return sorted(alone + [change for change, _ in found], key=lambda c: (-c["mass"], -c["area"]))


def place_weights(samples, h, share):
    m = ndimage.gaussian_filter(sigmoid(h), 2.0)
    if share == 1:
        w = m + 1e-6
    else:
        k = np.zeros_like(m)
        for u, v in samples:
            k[cell_of(v, len(h)), cell_of(u, len(h))] += 1
        k = ndimage.gaussian_filter(k, 2.0)
        w = (1 - share) * k / k.sum() + share * m / m.sum() + 1e-6
    return w.ravel() / w.sum()


def region(weights, threshold):
    order = np.argsort(-np.round(weights, 12), kind="stable")
    return order[: np.argmax(np.cumsum(weights[order]) >= threshold) + 1].tolist()


def region_score(weights, x, y):
    side = int(len(weights) ** 0.5)
    order = np.argsort(-np.round(weights, 12), kind="stable")
    place = int(np.nonzero(order == int(y * side) * side + int(x * side))[0][0])
    return place, float(weights[order][: place + 1].sum())


def made_up(name, rng, side):
    """Samples (N 2) and a map (side side) of logits."""
    blob = lambda x, y, n, sd: rng.normal((x, y), sd, (n, 2))  # noqa: E731
    samples = {
        "two places": lambda: np.concatenate([blob(-0.6, -0.4, 20, 0.04), blob(0.5, 0.6, 44, 0.05)]),
        "three places": lambda: np.concatenate([blob(-0.7, 0.7, 25, 0.03), blob(0.1, 0.1, 22, 0.03), blob(0.8, -0.8, 17, 0.03)]),
        "one sample": lambda: np.array([[0.3, -0.2]]),
        "equal samples": lambda: np.full((9, 2), 0.25),
        "everywhere": lambda: rng.uniform(-1, 1, (64, 2)),
        "at the border": lambda: np.concatenate([np.full((6, 2), 1.0), blob(-0.95, 0, 10, 0.1)]),
        "two near each other": lambda: np.concatenate([blob(0, 0, 30, 0.05), blob(0.22, 0, 34, 0.05)]),
    }[name]()
    h = np.full((side, side), -6.0)
    if name != "everywhere":
        for x, y, r in ((-0.6, -0.4, 2.2), (0.5, 0.62, 1.6), (-0.7, 0.75, 1.0), (0.9, -0.2, 1.5)):
            rows, columns = np.mgrid[:side, :side]
            h += 9 * (np.hypot(columns - (x + 1) / 2 * side, rows - (y + 1) / 2 * side) < r)
    h += rng.normal(0, 0.5, h.shape)
    return np.clip(samples, -1, 1).astype(np.float32).astype(np.float64), h.astype(np.float32).astype(np.float64)


NAMES = ["two places", "three places", "one sample", "equal samples", "everywhere", "at the border", "two near each other"]


def rounded(value):
    if isinstance(value, dict):
        return {k: rounded(v) for k, v in value.items()}
    if isinstance(value, (list, np.ndarray)):
        return [rounded(v) for v in value]
    return float(f"{value:.12g}") if isinstance(value, (float, np.floating)) else value


def main(path):
    cases = []
    for number, name in enumerate(NAMES):
        rng, side = np.random.default_rng(number), 16
        samples, h = made_up(name, rng, side)
        modes = find_modes(samples)
        case = {"name": name, "samples": samples, "map": h.ravel(), "modes": modes, "changes": rank_changes(modes, samples, h),
                "places": []}
        for share in (0.0, 0.3, 1.0):
            w = place_weights(samples, h, share)
            targets = rng.uniform(0, 1, (4, 2))
            case["places"].append({"map_share": share, "weights": w, "regions": [
                {"threshold": t, "cells": region(w, t)} for t in (0.5, 0.8, 0.9, 0.95)],
                "targets": [{"x": x, "y": y, "before": region_score(w, x, y)[0], "score": region_score(w, x, y)[1]} for x, y in targets]})
        cases.append(rounded(case))
    with open(path, "w") as file:
        json.dump(cases, file, separators=(",", ":"))
        file.write("\n")


if __name__ == "__main__":
    main(sys.argv[1])
