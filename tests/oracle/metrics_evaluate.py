#!/usr/bin/env python3
"""Golden report of made-up predictions: scipy for components, pycocoevalcap and METEOR's jar for captions.

In:  nothing (fixed random masks, captions and predictions).
Out: tests/golden/metrics/evaluate.json: pairs, expected report, change maps with their intersection and union (torch).
Not here: anything of src/metrics; written from the rules in src/metrics/evaluate.h.

    python tests/oracle/metrics_evaluate.py tests/golden/metrics/evaluate.json
"""
import json
import sys

import numpy as np
import torch
from scipy import ndimage

from metrics_captions import MeteorJar, score

CONSTANT, CHANGED = "the scene is the same as before", "some houses are built along the road"
SAME = ["there is no difference", "the two scenes seem identical", "the scene is the same as before",
        "no change has occurred", "almost nothing has changed"]
BUILT = ["a road is built along the trees", "some houses are built on both sides of the road", "many villas appear",
         "several houses with a road appear on the bareland", "some trees are removed and houses are built along the road",
         "a parking lot is built in the corner"]


def make_mask(rng, kind, height, width):
    mask = np.zeros((height, width), np.uint8)
    if kind == "changed":
        for _ in range(rng.integers(1, 4)):
            y, x = rng.integers(0, height - 2), rng.integers(0, width - 2)
            tall, wide = rng.integers(1, 6, 2)
            mask[y:y + tall, x:x + wide] = 255
            mask[y + 1:y + tall - 1, x + 1:x + wide - 1] = 0  # a ring: its box holds unchanged pixels
    return mask


def components(mask):
    """Largest first; a split with two largest of one size would not be decided, so those are refused."""
    labels, count = ndimage.label(mask > 0, np.ones((3, 3)))
    areas = ndimage.sum(mask > 0, labels, range(1, count + 1))
    order = np.argsort(-areas)
    assert count < 2 or areas[order[0]] > areas[order[1]]
    return [np.argwhere(labels == k + 1) for k in order]


def box(pixels):
    (y0, x0), (y1, x1) = pixels.min(0), pixels.max(0) + 1
    return x0, y0, x1, y1


def inside(b, x, y):
    return b[0] <= x < b[2] and b[1] <= y < b[3]


def flag_scores(truth, predicted):
    truth, predicted = np.array(truth), np.array(predicted)
    true_positive = int((truth & predicted).sum())
    return dict(accuracy=float((truth == predicted).mean()), f1=2 * true_positive / int(truth.sum() + predicted.sum()))


def action_scores(pairs, predicted, target):
    hits, errors, types = [], [], []
    for pair, (x, y, a) in zip(pairs, predicted):
        mask = np.array(pair["mask"], np.uint8)
        found = components(mask) if mask.size else []
        if pair["changeflag"] == 0 and found:
            continue
        types.append(a == pair["changeflag"])
        if not found or pair["changeflag"] == 0:
            continue
        height, width = mask.shape
        column, row = min(int(x * width), width - 1), min(int(y * height), height - 1)
        boxes, union = [box(p) for p in found], box(np.concatenate(found))
        hits.append([mask[row, column] > 0, inside(boxes[0], column, row), inside(union, column, row),
                     any(inside(b, column, row) for b in boxes)])
        if target == "centroid":
            centre = (np.concatenate(found).mean(0) + 0.5)[::-1]
        else:
            b = boxes[0] if target == "largest" else union
            centre = np.array([b[0] + b[2], b[1] + b[3]]) / 2
        errors.append(np.array([x, y]) - centre / [width, height])
    rates, errors = np.mean(hits, axis=0), np.array(errors)
    return dict(n=len(hits), n_type=len(types), type_accuracy=float(np.mean(types)), mse=float((errors**2).mean()),
                mae=float(np.abs(errors).mean()), **dict(zip(["sr_mask", "sr_largest", "sr_union", "sr_any"], map(float, rates))))


def caption_scores(jar, pairs, all_captions, changed_captions):
    def report(chosen, captions):
        s, _ = score(jar, [pairs[i]["captions"] for i in chosen], [captions[i] for i in chosen])
        return dict(meteor=s["meteor"], rouge_l=s["rouge_l"], cider=s["cider"], **{f"bleu{n + 1}": b for n, b in enumerate(s["bleu"])})

    changed = [i for i, p in enumerate(pairs) if p["changeflag"] == 1]
    return dict(all=report(range(len(pairs)), all_captions), changed=report(changed, changed_captions))


def main(path):
    rng, jar = np.random.default_rng(3), MeteorJar()
    pairs = []
    kinds = ["changed"] * 24 + ["unchanged"] * 10 + ["contradictory"] * 2 + ["unmarked"] * 2 + ["no mask"] * 2
    for number, kind in enumerate(kinds):
        flag = int(kind in ("changed", "unmarked", "no mask"))
        height, width = (12, 20) if number % 2 else (16, 16)
        mask = np.zeros((0, 0), np.uint8)
        while kind != "no mask":
            mask = make_mask(rng, "changed" if kind in ("changed", "contradictory") else kind, height, width)
            try:
                components(mask)
                break
            except AssertionError:
                continue
        captions = [str(c) for c in rng.choice(BUILT, 5)] if flag else SAME
        said = int(flag ^ int(rng.random() < 0.25))
        caption = str(rng.choice(BUILT)) if said else CONSTANT
        x, y = (float(v) for v in rng.random(2))
        if kind == "changed" and rng.random() < 0.8:  # somewhere in the box of one of the components
            found = components(mask)
            x0, y0, x1, y1 = box(found[rng.integers(len(found))] if rng.random() < 0.8 else np.concatenate(found))
            x, y = float((x0 + rng.random() * (x1 - x0)) / width), float((y0 + rng.random() * (y1 - y0)) / height)
        pairs.append(dict(name=f"pair_{number:02d}", changeflag=flag, captions=captions, mask=mask.tolist(),
                          predicted=dict(caption=caption, x=x, y=y, a=said)))
    pairs[0]["predicted"].update(x=1.0, y=0.0)  # the far edge counts as the last pixel
    truth, flags = [p["changeflag"] for p in pairs], [p["predicted"]["a"] for p in pairs]
    says = [p["predicted"]["caption"] for p in pairs]
    by_flag = [CHANGED if f else CONSTANT for f in flags]
    majority = int(2 * sum(truth) >= len(truth))
    points = [(p["predicted"]["x"], p["predicted"]["y"], p["predicted"]["a"]) for p in pairs]
    centre = [(0.5, 0.5, 1)] * len(pairs)
    report = dict(n=len(pairs), contradictory=2, flag=flag_scores(truth, flags),
                  caption=caption_scores(jar, pairs, says, says), action=action_scores(pairs, points, "largest"),
                  blind=dict(n=len(pairs), flag=flag_scores(truth, [majority] * len(truth)),
                             caption=caption_scores(jar, pairs, [CONSTANT] * len(pairs), [CHANGED] * len(pairs)),
                             caption_flag=caption_scores(jar, pairs, by_flag, by_flag),
                             action=action_scores(pairs, centre, "largest"),
                             sentences=dict(constant=CONSTANT, changed=CHANGED)))
    maps = []
    for height, width, mask_height, mask_width in ((4, 4, 16, 16), (6, 5, 17, 9), (8, 8, 4, 6)):
        logits = rng.normal(size=(height, width)).astype(np.float32)
        mask = (rng.random((mask_height, mask_width)) < 0.4).astype(np.uint8) * 255
        up = torch.nn.functional.interpolate(torch.from_numpy(logits)[None, None], size=mask.shape, mode="bilinear",
                                             align_corners=False)[0, 0].numpy()
        maps.append(dict(height=height, width=width, logits=logits.flatten().tolist(), mask=mask.tolist(),
                         intersection=int(((up > 0) & (mask > 0)).sum()), either=int(((up > 0) | (mask > 0)).sum())))
    with open(path, "w") as file:
        json.dump(dict(pairs=pairs, report=report, maps=maps, other_targets={
            t: {k: action_scores(pairs, points, t)[k] for k in ("mse", "mae")} for t in ("union", "centroid")}), file)
        file.write("\n")


if __name__ == "__main__":
    main(sys.argv[1])
