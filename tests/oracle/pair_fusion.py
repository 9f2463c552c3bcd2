#!/usr/bin/env python3
"""Fusion of feature rows (docs/published.md), written again with torch in float64.

In:  nothing. Weights and inputs are drawn by Philox (nano_random.py), as the tests draw them again.
Out: tests/golden/runtime/pair_fusion.json: embeddings, map, flag of each kind of fusion.
Not here: any code of this repository.

    pair_fusion.py tests/golden/runtime/pair_fusion.json
"""
import json
import sys

import torch
from torch.nn.functional import adaptive_avg_pool2d, gelu, layer_norm, linear, pixel_shuffle

from clip_transformers import random_tensor, short
from nano_random import TEST, Philox

KINDS = {"concat": dict(kind="concat", **{"in": 6}, grid=1, width=5, hidden=8), "subtract": dict(kind="subtract", **{"in": 6}, grid=1, width=5, hidden=8),
         "patch_7": dict(kind="patch", **{"in": 6}, grid=7, width=5, hidden=8), "patch_16": dict(kind="patch", **{"in": 4}, grid=16, width=3, hidden=6)}


def names(s):
    mixed = s["in"] * {"concat": 2, "subtract": 1, "patch": 3}[s["kind"]]
    layer = lambda name, out, inner: [(name + ".weight", [out, inner]), (name + ".bias", [out])]  # noqa: E731
    made = [("fusion.norm.weight", [s["in"]]), ("fusion.norm.bias", [s["in"]])]
    made += layer("fusion.mix", s["width"], mixed) + layer("projector.0", s["hidden"], s["width"]) + layer("projector.2", s["hidden"], s["hidden"])
    made += [("projector.out_norm.weight", [s["hidden"]]), ("projector.scale", [])]
    if s["kind"] == "patch":
        made += [("fusion.position", [s["grid"] ** 2, s["width"]])] + layer("change_map", 64, s["width"])
        made += layer("change_flag.0", 64, 2 * s["width"] + 2) + layer("change_flag.2", 1, 64)
    return made


def compute(s, w, a, b):
    lin = lambda x, name: linear(x, w[name + ".weight"], w[name + ".bias"])  # noqa: E731
    a, b = (layer_norm(x, (s["in"],), w["fusion.norm.weight"], w["fusion.norm.bias"], 1e-5) for x in (a, b))
    z = gelu(lin(torch.cat({"concat": [a, b], "subtract": [b - a], "patch": [a, b, b - a]}[s["kind"]], 1), "fusion.mix"))
    out = {}
    if s["kind"] == "patch":
        z = z + w["fusion.position"]
        g = s["grid"]
        fine = pixel_shuffle(lin(z, "change_map").T.reshape(1, 64, g, g), 8)
        h = adaptive_avg_pool2d(fine, 64).flatten()
        summary = torch.cat([z.amax(0), z.mean(0), h.max()[None], h.sigmoid().mean()[None]])
        out = {"map": short(h[::7]), "flag": float(lin(gelu(lin(summary, "change_flag.0")), "change_flag.2"))}
    e = lin(gelu(lin(z, "projector.0")), "projector.2")
    e = e * torch.rsqrt(e.pow(2).mean(1, keepdim=True) + 1e-6) * w["projector.out_norm.weight"] * w["projector.scale"]
    return {"embeddings": short(e), **out}


def main():
    made = {}
    for name, s in KINDS.items():
        w = {n: random_tensor(n, tuple(shape) or (1,), i) for i, (n, shape) in enumerate(names(s))}
        w["projector.scale"] = torch.tensor(0.3, dtype=torch.float64)
        size = s["grid"] ** 2 * s["in"]
        a, b = (torch.from_numpy(Philox(31 + i, TEST, 0).normals(size).astype("float32").astype("float64")).reshape(-1, s["in"]) for i in (0, 1))
        made[name] = {"shape": s, "tensors": names(s), **compute(s, w, a, b)}
    with open(sys.argv[1], "w") as file:
        json.dump(made, file, separators=(",", ":"))


if __name__ == "__main__":
    main()
