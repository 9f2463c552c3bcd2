#!/usr/bin/env python3
"""Golden values for src/diffusion from diffusers' schedulers.

In:  nothing (fixed toy denoiser, fixed seeds).
Out: tests/golden/diffusion/schedulers.json: accumulated alphas, timestep lists, samples of every sampler.
Not here: the sampling mathematics itself, which is diffusers' (DDPM, DDIM, DPMSolverMultistep).

    python tests/oracle/diffusion_schedulers.py tests/golden/diffusion/schedulers.json
"""
import json
import math
import sys

import diffusers.schedulers.scheduling_ddpm as ddpm_module
import numpy as np
import torch
from diffusers import DDIMScheduler, DDPMScheduler, DPMSolverMultistepScheduler

ROWS, DIM = 4, 3
LIBRARY_NAME = {"linear": "linear", "squared_cosine": "squaredcos_cap_v2"}
STREAM_TEST = 15  # Stream::test of core/rng.h


class Philox:
    """core/rng.h written again from Salmon et al. (SC 2011): Philox4x32-10, 53-bit uniforms, Box-Muller normals."""

    def __init__(self, seed, stream):
        self.key = ((seed & 0xFFFFFFFF) ^ (stream * 0x9E3779B9 & 0xFFFFFFFF), (seed >> 32) ^ stream)
        self.block_index, self.words, self.spare = 0, [], None

    def bits(self):
        if not self.words:
            x, (k0, k1) = [self.block_index, 0, 0, 0], self.key
            for _ in range(10):
                p0, p1 = 0xD2511F53 * x[0], 0xCD9E8D57 * x[2]
                x = [(p1 >> 32) ^ x[1] ^ k0, p1 & 0xFFFFFFFF, (p0 >> 32) ^ x[3] ^ k1, p0 & 0xFFFFFFFF]
                k0, k1 = (k0 + 0x9E3779B9) & 0xFFFFFFFF, (k1 + 0xBB67AE85) & 0xFFFFFFFF
            self.words, self.block_index = x, self.block_index + 1
        return self.words.pop(0)

    def uniform(self):
        high, low = self.bits() >> 5, self.bits() >> 6
        return ((high << 26) | low) / 2.0**53

    def normal(self):
        if self.spare is not None:
            value, self.spare = self.spare, None
            return value
        radius, angle = math.sqrt(-2 * math.log(1 - self.uniform())), 2 * math.pi * self.uniform()
        self.spare = radius * math.sin(angle)
        return radius * math.cos(angle)

    def normals(self):
        return torch.tensor([[self.normal() for _ in range(DIM)] for _ in range(ROWS)], dtype=torch.float64)


def alphas(schedule, steps=1000):
    """Double precision, from the published formulas; checked against diffusers' float32 table."""
    if schedule == "linear":
        beta = np.linspace(1e-4, 0.02, steps) * 1000 / steps
    else:
        bar = np.cos((np.arange(steps + 1) / steps + 0.008) / 1.008 * np.pi / 2) ** 2
        beta = np.minimum(0.999, 1 - bar[1:] / bar[:-1])
    table = np.cumprod(1 - beta)
    if steps == 1000:
        library = DDPMScheduler(1000, beta_schedule=LIBRARY_NAME[schedule]).alphas_cumprod.numpy()
        np.testing.assert_allclose(library, table, rtol=2e-3, atol=1e-6)
    return table


def clean_guess(x, t):
    """What the toy denoiser takes for x0: (N D) -> (N D). Leaves [-1, 1] at places, so that clipping is exercised."""
    rolled = torch.roll(x, 1, dims=1)
    place = torch.arange(DIM, dtype=torch.float64) * 0.4
    return 1.3 * torch.tanh(0.7 * x - 0.4 * rolled + place + t / 1000)


def denoiser(x, t, a):
    return (x - math.sqrt(a) * clean_guess(x, t)) / math.sqrt(1 - a)


def run(kind, schedule, timesteps, clip, large=False, eta=0.0, seed=0, first_order=False):
    """first_order: ddim from the library's DPM-Solver++ of order 1, which is the same step but goes to the next kept
    timestep; its DDIM goes to t - T / K, which is not in a list of uneven gaps."""
    table = alphas(schedule)
    common = dict(num_train_timesteps=1000, beta_schedule=LIBRARY_NAME[schedule])
    rng = Philox(seed, STREAM_TEST)
    start = torch.from_numpy(rng.normals().numpy().astype(np.float32).astype(np.float64))
    if kind == "ddpm":
        scheduler = DDPMScheduler(**common, clip_sample=clip, variance_type="fixed_large" if large else "fixed_small")
    elif kind == "ddim" and not first_order:
        scheduler = DDIMScheduler(**common, clip_sample=clip, set_alpha_to_one=True, timestep_spacing="leading")
    else:  # no clipping in the library: hand it the (clipped) x0 itself
        scheduler = DPMSolverMultistepScheduler(**common, algorithm_type="dpmsolver++",
                                                solver_order=1 if first_order else 2, solver_type="midpoint",
                                                final_sigmas_type="zero", lower_order_final=True,
                                                prediction_type="sample")
    scheduler.alphas_cumprod = torch.from_numpy(table)
    if kind == "ddim" and not first_order:
        scheduler.set_timesteps(len(timesteps))
        assert scheduler.timesteps.tolist() == timesteps
    else:
        scheduler.set_timesteps(timesteps=timesteps)
    ddpm_module.randn_tensor = lambda *args, **kwargs: rng.normals()
    x = start.clone()
    for t in timesteps:
        if kind == "dpmpp_2m" or first_order:
            x0 = clean_guess(x, t)
            x = scheduler.step(x0.clamp(-1, 1) if clip else x0, t, x).prev_sample.double()
            continue
        eps = denoiser(x, t, table[t])
        if kind == "ddpm":
            x = scheduler.step(eps, t, x).prev_sample
        else:
            noise = rng.normals() if eta > 0 and t > 0 else torch.zeros_like(x)
            x = scheduler.step(eps, t, x, eta=eta, use_clipped_model_output=True, variance_noise=noise).prev_sample
    return dict(kind=kind, schedule=schedule, timesteps=timesteps, clip=clip, large=large, eta=eta, seed=seed,
                start=start.flatten().tolist(), samples=x.flatten().tolist())


def library_list(spacing, steps):
    scheduler = DDPMScheduler(1000, timestep_spacing=spacing)
    scheduler.set_timesteps(steps)
    return scheduler.timesteps.tolist()


def main(path):
    leading = [900 - 100 * i for i in range(10)]
    log_snr = [999, 886, 757, 602, 409, 202, 72, 21, 4, 0]
    # The cosine schedule's A_999 = 2.4e-9 would divide float32 noise by 5e-5 when x0 is not clipped: start at 900 there.
    uneven = {"linear": log_snr, "squared_cosine": [900, 809, 639, 489, 359, 249, 159, 89, 39, 9]}
    runs = []
    for schedule in ("linear", "squared_cosine"):
        for clip in (True, False):
            seed = 7 + len(runs)
            runs += [run("ddpm", schedule, leading, clip, seed=seed),
                     run("ddpm", schedule, leading, clip, large=True, seed=seed + 1),
                     run("ddim", schedule, leading, clip, seed=seed + 2),
                     run("ddim", schedule, leading, clip, eta=0.5, seed=seed + 3),
                     run("dpmpp_2m", schedule, leading, clip, seed=seed + 4),
                     run("dpmpp_2m", schedule, uneven[schedule], clip, seed=seed + 5)]
    for schedule in ("linear", "squared_cosine"):
        for timesteps in ([888 - 111 * i for i in range(9)], uneven[schedule]):
            seed = 7 + len(runs)
            runs += [run("ddpm", schedule, timesteps, True, seed=seed),
                     run("ddim", schedule, timesteps, True, seed=seed + 1, first_order=True)]
    picked = [0, 1, 10, 99, 100, 500, 900, 999]
    tables = [dict(schedule=s, steps=n, t=[t for t in picked if t < n], a=[alphas(s, n)[t] for t in picked if t < n])
              for s in ("linear", "squared_cosine") for n in (1000, 100)]
    lists = [dict(spacing=s, timesteps=library_list(s, k))
             for s in ("leading", "trailing", "linspace") for k in (2, 7, 10, 30, 100)]
    with open(path, "w") as file:
        json.dump(dict(rows=ROWS, dim=DIM, alphas=tables, lists=lists, runs=runs), file, indent=None)
        file.write("\n")


if __name__ == "__main__":
    main(sys.argv[1])
