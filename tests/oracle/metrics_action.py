#!/usr/bin/env python3
"""Golden flag, point and risk scores with intervals of made-up answers: scikit-learn, scipy and numpy.

In:  nothing (fixed random answers).
Out: tests/golden/metrics/action.json: flag pairs, points with samples, confidences; expected scores and intervals.
Not here: anything of src/metrics; written from the formulas in docs/metrics.md. The resamples come from core_philox.py.

    python tests/oracle/metrics_action.py tests/golden/metrics/action.json
"""
import contextlib
import io
import json
import sys

import numpy as np
from scipy.spatial.distance import cdist
from sklearn import metrics

with contextlib.redirect_stdout(io.StringIO()):
    from core_philox import MASK, philox

BOOTSTRAP_STREAM = 10


def resample(n, seed, number):
    """n picks of n, as core/rng.h draws them: two words a number, the first one high, multiples of n only."""
    key = [(seed & MASK) ^ (BOOTSTRAP_STREAM * 0x9E3779B9 & MASK), (seed >> 32) ^ BOOTSTRAP_STREAM]
    words, picks, block = [], [], 0
    while len(picks) < n:
        while len(words) < 2:
            words += philox([block, 0, number & MASK, number >> 32], key)
            block += 1
        draw, words = words[0] << 32 | words[1], words[2:]
        most = 2**64 - 1
        if draw < most - most % n:
            picks.append(draw % n)
    return np.array(picks)


def interval(n, score, seed, resamples):
    """95 % percentile interval of score(picks), widened to the value of all."""
    value = score(np.arange(n))
    drawn = np.array([score(resample(n, seed, r)) for r in range(resamples)], float)
    drawn = drawn[np.isfinite(drawn)]
    low, high = np.percentile(drawn, [2.5, 97.5])
    return dict(value=float(value), low=float(min(low, value)), high=float(max(high, value)))


def ece(truth, p):
    bins, total = np.minimum(np.floor(p * 10).astype(int), 9), 0
    for b in range(10):
        if (bins == b).any():
            total += (bins == b).mean() * abs(truth[bins == b].mean() - p[bins == b].mean())
    return total


def flag_scores(truth, said, p):
    with np.errstate(invalid="ignore", divide="ignore"):
        return dict(accuracy=metrics.accuracy_score(truth, said),
                    precision=metrics.precision_score(truth, said, zero_division=np.nan),
                    recall=metrics.recall_score(truth, said, zero_division=np.nan),
                    f1=metrics.f1_score(truth, said, zero_division=np.nan),
                    false_alarms_per_100=100 * said[truth == 0].mean() if (truth == 0).any() else np.nan,
                    brier=np.mean((p - truth)**2), ece=ece(truth, p))


def energy(samples, target):
    samples, target = np.atleast_2d(samples), np.atleast_2d(target)
    return cdist(samples, target).mean() - cdist(samples, samples).mean() / 2


def aurc(confidence, loss):
    """Ties averaged by their expectation over random orders of equals."""
    order = np.argsort(-confidence, kind="stable")
    confidence, loss = confidence[order], loss[order].astype(float)
    for value in np.unique(confidence):
        loss[confidence == value] = loss[confidence == value].mean()
    return float((np.cumsum(loss) / np.arange(1, len(loss) + 1)).mean())


def main(path):
    rng = np.random.default_rng(11)
    n, resamples, seed = 60, 200, 0
    truth = (rng.random(n) < 0.5).astype(int)
    p = np.round(1 / (1 + np.exp(-(3 * truth - 1.5 + 1.7 * rng.normal(size=n)))), 3)
    p[:3] = 1.0, 0.0, 0.3  # the ends, and a border of a bin
    said = (p > 0.5).astype(int)
    flag = {k: interval(n, lambda picks, k=k: flag_scores(truth[picks], said[picks], p[picks])[k], seed, resamples)
            for k in flag_scores(truth, said, p)}
    bins = np.minimum(np.floor(p * 10).astype(int), 9)
    reliability = [dict(n=int((bins == b).sum())) if not (bins == b).any() else
                   dict(n=int((bins == b).sum()), mean_p=float(p[bins == b].mean()),
                        share_changed=float(truth[bins == b].mean())) for b in range(10)]

    size = (40, 24)  # width, height
    targets = rng.random((n, 2))
    samples = np.clip(targets[:, None] + 0.2 * rng.normal(size=(n, 9, 2)), 0, 1)
    points = samples[:, 0]
    errors = np.hypot(*((points - targets) * size).T)
    each = [energy(s, t) for s, t in zip(samples, targets)]
    action = dict(mse=lambda i: ((points - targets)[i]**2).mean(), mae=lambda i: np.abs((points - targets)[i]).mean(),
                  median_error_px=lambda i: np.percentile(errors[i], 50),
                  p90_error_px=lambda i: np.percentile(errors[i], 90), energy_score=lambda i: np.mean(np.array(each)[i]))
    confidence = np.round(rng.random(n), 1)  # with ties
    loss = (rng.random(n) > confidence).astype(int)
    curve = []
    for tenth in range(1, 11):
        # Mean over random orders of equals, by drawing: 20000 orders leave an error of about 0.002.
        kept, risks = int(np.ceil(tenth * n / 10)), []
        for _ in range(20000):
            order = np.lexsort((rng.random(n), -confidence))
            risks.append(loss[order[:kept]].mean())
        curve.append(dict(coverage=tenth / 10, risk=float(np.mean(risks))))
    result = dict(
        resamples=resamples, seed=seed, truth=truth.tolist(), said=said.tolist(), p=p.tolist(), flag=flag,
        reliability=reliability, width=size[0], height=size[1], targets=targets.tolist(), samples=samples.tolist(),
        energy_each=each, action={k: interval(n, f, seed, resamples) for k, f in action.items()},
        confidence=confidence.tolist(), loss=loss.tolist(), curve_drawn=curve,
        aurc=interval(n, lambda i: aurc(confidence[i], loss[i]), seed, resamples),
        quantiles=[dict(values=v.tolist(), q=q, want=float(np.percentile(v, 100 * q)))
                   for v in (rng.normal(size=1), rng.normal(size=2), rng.normal(size=17)) for q in (0, 0.025, 0.5, 0.9, 1)])
    with open(path, "w") as file:
        json.dump(result, file)
        file.write("\n")


if __name__ == "__main__":
    main(sys.argv[1])
