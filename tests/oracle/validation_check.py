#!/usr/bin/env python3
"""Recomputes the scores of metrics.json from predictions.jsonl alone and says where they differ.

In:  a folder that `changepilot validate --out` wrote.
Out: one line a score on stdout; exit code 1 when one differs by more than its tolerance.
Not here: anything of src/metrics. Corpus BLEU, METEOR and the map's IoU cannot be had from the lines.

    python tests/oracle/validation_check.py results/nano
"""
import csv
import json
import pathlib
import sys

import numpy as np

from metrics_action import aurc, energy, flag_scores, interval

ROUNDED = 2e-4  # the lines hold four to six decimals


def main(folder):
    folder = pathlib.Path(folder)
    report = json.loads((folder / "metrics.json").read_text())
    lines = [json.loads(line) for line in (folder / "predictions.jsonl").read_text().splitlines()]
    resamples = min(report["run"]["resamples"], 200)
    truth, said, p = (np.array([l[k] for l in lines]) for k in ("changeflag", "a", "p_zoom"))
    judged = [l for l in lines if l["target"]]
    assert [l["name"] for l in lines if l["contradictory"]] == report["contradictory"]["names"]
    assert all(l["changeflag"] == 1 and not l["contradictory"] for l in judged)
    hits = {k: np.array([l["hits"][k] for l in judged], float) for k in ("mask", "largest", "union", "any")}
    error = np.array([[l["x"] - l["target"]["x"], l["y"] - l["target"]["y"]] for l in judged])
    px = np.array([l["error_px"] for l in judged])
    each = np.array([energy(l["samples"], [l["target"]["x"], l["target"]["y"]]) for l in judged])
    share = np.array([l["region"]["share"] for l in judged])
    typed = np.array([(l["changeflag"], l["a"]) for l in lines if not l["contradictory"]])
    want = {f"flag.{k}": (len(lines), lambda i, k=k: flag_scores(truth[i], said[i], p[i])[k], 1e-6) for k in flag_scores(truth, said, p)}
    n = len(judged)
    want |= {f"action.sr_{k}": (n, lambda i, v=v: v[i].mean(), 1e-12) for k, v in hits.items()}
    want |= {"action.mse": (n, lambda i: (error[i]**2).mean(), 1e-5), "action.mae": (n, lambda i: np.abs(error[i]).mean(), 1e-5),
             "action.median_error_px": (n, lambda i: np.percentile(px[i], 50), 1e-5),
             "action.p90_error_px": (n, lambda i: np.percentile(px[i], 90), 1e-5),
             "action.energy_score": (n, lambda i: each[i].mean(), 1e-5),
             "action.type_accuracy": (len(typed), lambda i: (typed[i, 0] == typed[i, 1]).mean(), 1e-12),
             "region.levels.0.area": (n, lambda i: share[i].mean(), ROUNDED),
             "risk_coverage.aurc": (n, lambda i: aurc(-share[i], 1 - hits["mask"][i]), 1e-9)}
    texts = [l for l in lines if "rouge_l" in l["scores"]]
    for key in ("rouge_l", "cider"):
        score = np.array([l["scores"].get(key, np.nan) for l in texts])
        want[f"caption.text.all.{key}"] = (len(texts), lambda i, s=score: s[i].mean(), 1e-5)
    wrong = 0
    for place, (count, score, tolerance) in want.items():
        got = report
        for key in place.split("."):
            got = got[int(key)] if isinstance(got, list) else got[key]
        expected = dict(value=float(score(np.arange(count))))
        if report["run"]["resamples"] == resamples:  # the intervals too, where it does not take long
            expected = interval(count, score, 0, resamples)
        off = max(abs(got[k] - v) for k, v in expected.items())
        wrong += not off <= tolerance
        print(f"{place:32} {got['value']:.6f} off by {off:.1e} {'' if off <= tolerance else 'WRONG'}")
    with open(folder / "predictions.csv", newline="") as file:
        rows = list(csv.DictReader(file))
    assert [r["name"] for r in rows] == [l["name"] for l in lines]
    assert [r["caption"].lstrip("'") for r in rows] == [l["caption"] for l in lines]
    assert [r["hit_mask"] for r in rows] == [str(int(l["hits"]["mask"])) if l["hits"] else "" for l in lines]
    print(f"{len(want)} scores of {len(lines)} pairs, {n} judged points, {wrong} wrong; {len(rows)} rows of the CSV file agree")
    return wrong > 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1]))
