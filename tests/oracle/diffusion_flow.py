#!/usr/bin/env python3
"""Golden values for src/diffusion/flow from diffusers' FlowMatchEulerDiscreteScheduler; the midpoint rule from NumPy.

In:  nothing (fixed toy velocity, fixed seeds).
Out: tests/golden/diffusion/flow.json: times, start noise and samples of every run.
Not here: the Euler step, which is diffusers' (its sigma is our t; its default list of sigmas ends at 0.001 and not in
     an even stride, so it is handed over as a list, and the even list is handed to it).

    python tests/oracle/diffusion_flow.py tests/golden/diffusion/flow.json
"""
import json
import sys

import numpy as np
import torch
from diffusers import FlowMatchEulerDiscreteScheduler
from diffusion_schedulers import DIM, ROWS, STREAM_TEST, Philox, clean_guess


def velocity(x, t, clip):
    """(N D) -> (N D): points from the toy guess of the action to x. clean_guess() takes its time in thousandths."""
    action = clean_guess(x, 1000 * t)
    return (x - (action.clamp(-1, 1) if clip else action)) / t


def euler(start, sigmas, clip):
    scheduler = FlowMatchEulerDiscreteScheduler(num_train_timesteps=1000)
    if sigmas is None:
        scheduler.set_timesteps(8)
    else:
        scheduler.set_timesteps(sigmas=sigmas)
    x = start.float()
    for t, sigma in zip(scheduler.timesteps, scheduler.sigmas):
        x = scheduler.step(velocity(x.double(), float(sigma), clip), t, x).prev_sample.float()
    return scheduler.sigmas.tolist(), x


def midpoint(start, times, clip):
    """The velocity at the middle of a step, found by half an Euler step, carries the whole step; both are clipped by
    where their lines end at t = 0."""
    x = start.numpy()

    def line(at, v, t, to):
        end = at - t * v
        end = np.clip(end, -1, 1) if clip else end
        return end + (to / t) * (at - end)

    for t, to in zip(times[:-1], times[1:]):
        middle = (t + to) / 2
        half = line(x, velocity(torch.from_numpy(x), t, False).numpy(), t, middle)
        x = line(x, velocity(torch.from_numpy(half), middle, False).numpy(), t, to)
    return times, torch.from_numpy(x)


def run(rule, steps, clip, seed):
    rng = Philox(seed, STREAM_TEST)
    start = torch.from_numpy(rng.normals().numpy().astype(np.float32).astype(np.float64))
    even = None if steps is None else [(steps - i) / steps for i in range(steps + 1)]
    if rule == "euler":
        times, x = euler(start, even[:-1] if even else None, clip)
    else:
        times, x = midpoint(start, even, clip)
    return dict(rule=rule, steps=steps, clip=clip, seed=seed, times=times, start=start.flatten().tolist(),
                samples=x.flatten().tolist())


def main(path):
    runs = []
    for clip in (True, False):
        for rule, counts in (("euler", (1, 4, 10, 50, None)), ("midpoint", (1, 5, 10))):
            runs += [run(rule, steps, clip, 40 + len(runs) + i) for i, steps in enumerate(counts)]
    with open(path, "w") as file:
        json.dump(dict(rows=ROWS, dim=DIM, runs=runs), file)
        file.write("\n")


if __name__ == "__main__":
    main(sys.argv[1])
