#!/usr/bin/env python3
"""An independent implementation of docs/nano.md: NumPy in float64, and transformers for the language model.

In:  a model folder and pairs of images; or a folder to fill with a small random model.
Out: one JSON file: for every pair the numbers of every stage (map and flag logits, embeddings, hidden states, logits,
     captions, samples, action). What is made of samples and map is in answer_reference.py.
Not here: any code of this repository; the random numbers of core/rng.h are written again from the paper.

    nano_reference.py MODEL --pairs BEFORE.png AFTER.png [BEFORE.png AFTER.png ...] --out reference.json
    nano_reference.py --golden tests/golden/runtime      # the small random model that tests/runtime/ builds as well
"""
import argparse
import json
import math
import pathlib
import tempfile

import numpy as np
import torch
from PIL import Image
from safetensors.numpy import load_file
from tokenizers import Tokenizer
from transformers import Qwen2ForCausalLM

from answer_reference import find_modes, place_weights, rank_changes, region
from nano_random import Philox, make_random_nano, random_pair

START_NOISE = 11  # Stream::start_noise of core/rng.h
STAGES = [(1, 3, 1), (2, 3, 2), (2, 5, 2), (3, 3, 2), (3, 5, 1), (4, 5, 2), (1, 3, 1)]  # repeat, kernel, first stride


def sigmoid(x):
    return 1 / (1 + np.exp(-x))


def gelu(x):
    return 0.5 * x * (1 + np.vectorize(math.erf)(x / math.sqrt(2)))


def silu(x):
    return x * sigmoid(x)


def linear(w, name, x):
    return x @ w[name + ".weight"].T + w.get(name + ".bias", 0)


def convolve(x, weight, stride, before, after, groups=1):
    """x (C H W), weight (O C/groups k k), zero padding; one shifted product a tap."""
    k = weight.shape[-1]
    x = np.pad(x, ((0, 0), (before, after), (before, after)))
    side = (x.shape[1] - k) // stride + 1
    out = 0
    for i in range(k):
        for j in range(k):
            part = x[:, i : i + stride * side : stride, j : j + stride * side : stride]
            tap = weight[:, :, i, j]
            out = out + (tap[:, 0, None, None] * part if groups > 1 else np.tensordot(tap, part, 1))
    return out


# ---- 1. Vision ---------------------------------------------------------------------------------------------------------


def same(side, k, stride):
    total = max((-(-side // stride) - 1) * stride + k - side, 0)
    return total // 2, total - total // 2


def conv_norm(w, x, conv, norm, stride=1, depthwise=False, relu6=True):
    kernel = w[conv + ".weight"]
    y = convolve(x, kernel, stride, *same(x.shape[1], kernel.shape[-1], stride), len(x) if depthwise else 1)
    gain, shift, mean, var = (w[f"{norm}.{p}"][:, None, None] for p in ("weight", "bias", "running_mean", "running_var"))
    y = (y - mean) / np.sqrt(var + 1e-3) * gain + shift  # batch norm as it is, not folded
    return np.clip(y, 0, 6) if relu6 else y


def vision_features(w, image):
    x = (np.asarray(image.resize((256, 256), Image.BICUBIC), np.float64).transpose(2, 0, 1) - 127) / 128
    x = conv_norm(w, x, "_conv_stem", "_bn0", 2)
    kept, index = {}, 0
    for repeat, _, first_stride in STAGES:
        for i in range(repeat):
            p, y = f"_blocks.{index}.", x
            if p + "_expand_conv.weight" in w:
                y = conv_norm(w, y, p + "_expand_conv", p + "_bn0")
            y = conv_norm(w, y, p + "_depthwise_conv", p + "_bn1", first_stride if i == 0 else 1, depthwise=True)
            y = conv_norm(w, y, p + "_project_conv", p + "_bn2", relu6=False)
            x = x + y if y.shape == x.shape else y
            kept[index], index = x, index + 1
    return {8: kept[4], 16: kept[10], 32: kept[15]}


# ---- 2. and 3. Fusion, projector -----------------------------------------------------------------------------------------


def conv1(w, name, x, padding=0):
    return convolve(x, w[name + ".weight"], 1, padding, padding) + w[name + ".bias"][:, None, None]


def normed_input(w, part, stride, features):
    x = conv1(w, f"{part}.in.{stride}", features[stride])
    x = (x - x.mean()) / np.sqrt(x.var() + 1e-5)
    return x * w[f"{part}.norm.{stride}.weight"][:, None, None] + w[f"{part}.norm.{stride}.bias"][:, None, None]


def upsample(x):
    """Bilinear by 2 along both axes, half-pixel centres, the border repeated."""
    for axis in (1, 2):
        n = x.shape[axis]
        at = np.clip((np.arange(2 * n) + 0.5) / 2 - 0.5, 0, n - 1)
        low = np.floor(at).astype(int)
        high, share = np.minimum(low + 1, n - 1), (at - low).reshape([-1 if a == axis else 1 for a in range(3)])
        x = np.take(x, low, axis) * (1 - share) + np.take(x, high, axis) * share
    return x


def fuse(w, fa, fb):
    y = None
    for s in (32, 16, 8):
        a, b = normed_input(w, "fusion", s, fa), normed_input(w, "fusion", s, fb)
        z = gelu(conv1(w, f"fusion.mix.{s}", np.concatenate([a, b, abs(a - b)])))
        y = z if y is None else upsample(y) + z
    for name in ("fusion.conv1", "fusion.conv2"):
        y = y + gelu(conv1(w, name, y, 1))
    h = conv1(w, "change_map", y).reshape(2, 2, 32, 32).transpose(2, 0, 3, 1).reshape(64, 64)
    summary = np.concatenate([y.max((1, 2)), y.mean((1, 2)), [h.max(), sigmoid(h).mean()]])
    flag = linear(w, "change_flag.2", gelu(linear(w, "change_flag.0", summary)))[0]
    return y, h, flag


def pool(x):
    c, side, _ = x.shape
    return x.reshape(c, 4, side // 4, 4, side // 4).mean((2, 4)).reshape(c, 16).T  # (16 C)


def rms_norm(x, weight):
    return x / np.sqrt((x * x).mean(-1, keepdims=True) + 1e-6) * weight


def visual_embeddings(w, fa, fb, y, h, changed):
    parts = []
    for s in (32, 16):
        a, b = normed_input(w, "projector", s, fa), normed_input(w, "projector", s, fb)
        parts += [pool(a), pool(b), pool(abs(a - b))]
    coarse = sigmoid(h).reshape(32, 2, 32, 2).mean((1, 3))
    parts += [pool(y), coarse.reshape(4, 8, 4, 8).transpose(0, 2, 1, 3).reshape(16, 64)]
    t = linear(w, "projector.mix.2", gelu(linear(w, "projector.mix.0", np.concatenate(parts, 1))))
    pooled = np.concatenate([t.max(0), t.mean(0)])
    concepts = sigmoid(linear(w, "projector.concept.2", gelu(linear(w, "projector.concept.0", pooled))))
    grid = rms_norm(t + w["projector.position"], w["projector.out_norm.weight"]) * w["projector.scale"]
    rows = [grid, w["projector.flag.weight"][[int(changed)]], linear(w, "projector.concept_in", concepts)[None]]
    return np.concatenate(rows), concepts


# ---- 4. Language model ---------------------------------------------------------------------------------------------------


def prompt_ids(tokenizer, instruction):
    control = tokenizer.token_to_id
    text = tokenizer.encode(" " + instruction, add_special_tokens=False).ids
    pads = [control("<|image_pad|>")] * 18
    return [control("<|vision_start|>"), *pads, control("<|vision_end|>"), *text, control("<|im_start|>")]


def run_language(model, tokenizer, ids, embeddings, decoding):
    x = model.model.embed_tokens(torch.tensor([ids])).detach().clone()
    x[0, 1:19] = torch.tensor(embeddings, dtype=torch.float32)
    out = model(inputs_embeds=x, output_hidden_states=True)
    end = tokenizer.token_to_id("<|im_end|>")
    size = tokenizer.get_vocab_size()
    banned = [i for i, t in tokenizer.get_added_tokens_decoder().items() if i != end] + list(range(size, model.config.vocab_size))
    beams = decoding["beams"]
    found = model.generate(
        inputs_embeds=x, attention_mask=torch.ones(1, len(ids), dtype=torch.long), num_beams=beams, do_sample=False,
        length_penalty=decoding["length_penalty"], early_stopping=True, max_new_tokens=decoding["max_new_tokens"],
        eos_token_id=end, pad_token_id=end, suppress_tokens=banned, num_return_sequences=beams,
        return_dict_in_generate=True, output_scores=True)
    captions = []
    for row, score in zip(found.sequences.tolist(), found.sequences_scores.tolist()):
        row = row[: row.index(end) + 1] if end in row else row
        text = tokenizer.decode([i for i in row if i != end]).removeprefix(" ")
        captions.append({"ids": row, "text": text, "score": score})
    return out.hidden_states[-1][0].double().numpy(), out.logits[0, -1].double().numpy(), captions


# ---- 5. Action head ------------------------------------------------------------------------------------------------------


def condition(w, hidden, kind):
    joined = hidden[-1]
    if kind == "visual_attention":
        v = hidden[1:17]
        scores = w["condition.query"] @ linear(w, "condition.key", v).T
        att = np.exp(scores - scores.max(1, keepdims=True))
        att /= att.sum(1, keepdims=True)
        centres = np.array([((n % 4 + 0.5) / 2 - 1, (n // 4 + 0.5) / 2 - 1) for n in range(16)])
        joined = np.concatenate([(att @ linear(w, "condition.value", v)).ravel(), (att @ centres).ravel(), hidden[-1]])
    c = linear(w, "condition.out", joined)
    return (c - c.mean()) / np.sqrt(c.var() + 1e-5) * w["condition.norm.weight"] + w["condition.norm.bias"]


def denoise(w, x, t, c):
    rates = 10000.0 ** (-np.arange(64) / 64)
    shared = np.concatenate([np.sin(t * rates), np.cos(t * rates), c])
    h = np.concatenate([x, np.tile(shared, (len(x), 1))], 1)
    for name in ("denoiser.0", "denoiser.2", "denoiser.4"):
        h = silu(linear(w, name, h))
    return linear(w, "denoiser.6", h)


def accumulated_alphas(schedule, steps):
    t = np.arange(steps)
    if schedule == "linear":
        beta = 1000 / steps * (1e-4 + (0.02 - 1e-4) * t / (steps - 1))
    else:
        f = lambda u: np.cos((u / steps + 0.008) / 1.008 * np.pi / 2) ** 2  # noqa: E731
        beta = np.minimum(1 - f(t + 1) / f(t), 0.999)
    return np.cumprod(1 - beta)


def kept_timesteps(spacing, steps, total):
    i = np.arange(1, steps + 1)
    if spacing == "leading":
        kept = (i - 1) * (total // steps)
    elif spacing == "trailing":
        kept = np.rint(total * i / steps).astype(int) - 1
    elif spacing == "linspace":
        kept = np.rint((i - 1) * (total - 1) / (steps - 1)).astype(int)
    else:
        assert spacing == "quadratic", spacing
        kept = np.rint(total * (i / steps) ** 2).astype(int) - 1
    assert (np.diff(kept) > 0).all(), "lists with clashes are tested in tests/diffusion"
    return kept[::-1].tolist()


def draw_samples(w, c, head, noise):
    alphas = accumulated_alphas(head["schedule"], head["train_steps"])
    steps = kept_timesteps(head["spacing"], head["steps"], head["train_steps"])
    lam = lambda a: 0.5 * math.log(a / (1 - a))  # noqa: E731
    x, before = noise, None
    for n, t in enumerate(steps):
        a, last = alphas[t], n + 1 == len(steps)
        x0 = np.clip((x - math.sqrt(1 - a) * denoise(w, x, t, c)) / math.sqrt(a), -1, 1)
        if last:
            return x0
        b = alphas[steps[n + 1]]
        if head["sampler"] == "ddim":
            x = math.sqrt(b) * x0 + math.sqrt(1 - b) * (x - math.sqrt(a) * x0) / math.sqrt(1 - a)
        else:
            assert head["sampler"] == "dpmpp_2m", head["sampler"]
            h = lam(b) - lam(a)
            d = x0 if before is None else x0 + 0.5 * h / (lam(a) - before[0]) * (x0 - before[1])
            x = math.sqrt((1 - b) / (1 - a)) * x - math.sqrt(b) * math.expm1(-h) * d
            before = (lam(a), x0)


def snap(point, h, sigma):
    if sigma == 0:
        return point
    centres = 2 * (np.arange(64) + 0.5) / 64 - 1
    u, v = np.meshgrid(centres, centres)
    score = np.log(sigmoid(h) + 1e-6) - ((u - point[0]) ** 2 + (v - point[1]) ** 2) / (2 * sigma**2)
    k = score.argmax()
    return np.array([u.flat[k], v.flat[k]])


# ---- One pair ------------------------------------------------------------------------------------------------------------


class Reference:
    def __init__(self, folder):
        self.manifest = json.loads((folder / "changepilot.json").read_text())
        part = lambda path: folder / path  # noqa: E731  (absolute paths stay as they are)
        widen = lambda file: {k: v.astype(np.float64) for k, v in load_file(file).items()}  # noqa: E731
        self.vision = widen(part(self.manifest["vision"]["path"]) / "model.safetensors")
        self.fusion = widen(part(self.manifest["fusion"]["file"]))
        self.head = widen(part(self.manifest["head"]["file"]))
        language = part(self.manifest["language"]["path"])
        self.tokenizer = Tokenizer.from_file(str(language / "tokenizer.json"))
        self.model = Qwen2ForCausalLM.from_pretrained(language, dtype=torch.float32, attn_implementation="eager").eval()

    @torch.no_grad()
    def answer(self, before, after, instruction=None, seed=0):
        m = self.manifest
        fa, fb = vision_features(self.vision, before), vision_features(self.vision, after)
        y, h, flag = fuse(self.fusion, fa, fb)
        identical = np.array_equal(np.asarray(before), np.asarray(after))
        changed = bool(not identical and flag > m["flag"]["threshold"])
        embeddings, concepts = visual_embeddings(self.fusion, fa, fb, y, h, changed)
        ids = prompt_ids(self.tokenizer, instruction or m["default_instruction"]["en"])
        hidden, logits, captions = run_language(self.model, self.tokenizer, ids, embeddings, m["decoding"])
        if not changed:
            captions = [{"ids": [], "text": m["no_change_caption"]["en"], "score": 0}]
        c = condition(self.head, hidden, m["head"]["condition"])
        noise = Philox(seed, START_NOISE).normals(3 * m["head"]["samples"]).reshape(-1, 3)
        samples = draw_samples(self.head, c, m["head"], noise.astype(np.float32).astype(np.float64))
        modes = find_modes(samples[:, :2])
        point, sigma = modes[0]["point"], m["head"]["snap_sigma"]
        for mode in modes:
            mode["point"] = snap(mode["point"], h, sigma)
        snapped = modes[0]["point"]
        weights = place_weights(samples[:, :2], h, m["region"].get("map_share", 1))
        p = 0 if identical else sigmoid((flag - m["flag"]["bias"]) / m["flag"]["temperature"])
        return {
            "features": {str(s): f for s, f in fa.items()}, "map": h, "flag": flag, "changed": changed,
            "concepts": concepts, "embeddings": embeddings, "prompt": ids, "hidden": hidden, "logits": logits,
            "captions": captions, "condition": c, "eps": denoise(self.head, noise, 500, c), "samples": samples, "point": point,
            "changes": rank_changes(modes, samples[:, :2], h) if changed else [],
            "region": region(weights, m["region"]["threshold"]),
            "action": {"x": (snapped[0] + 1) / 2, "y": (snapped[1] + 1) / 2, "a": int(changed), "p_zoom": p}}


def plain(value, digits):
    """NumPy arrays as flat lists of rounded numbers."""
    if isinstance(value, dict):
        return {k: plain(v, digits) for k, v in value.items()}
    if isinstance(value, np.ndarray):
        return [float(f"{v:.{digits}g}") for v in value.ravel()]
    if isinstance(value, list):
        return [plain(v, digits) for v in value]
    return value.item() if isinstance(value, np.generic) else value


def write_golden(folder):
    """The random model and pairs of nano_random.py, thinned so that the file stays small."""
    repository = pathlib.Path(__file__).resolve().parents[2]
    out = {"pairs": []}
    with tempfile.TemporaryDirectory() as temporary:
        model = pathlib.Path(temporary)
        make_random_nano(model, repository / "models/nano/vision", folder / "tokenizer.json", seed=7)
        reference = Reference(model)
        for index in range(2):
            before, after = (Image.fromarray(image) for image in random_pair(index))
            r = reference.answer(before, after, seed=index)
            r["features"] = {s: f.ravel()[::211] for s, f in r["features"].items()}
            r["map"] = r["map"].ravel()[::5]
            r["hidden"] = r["hidden"].ravel()[::3]
            r["change_count"], r["changes"] = len(r["changes"]), r["changes"][:12]
            r["region_count"], r["region"] = len(r["region"]), r["region"][:100]
            out["pairs"].append(plain(r, 8))
        out["searches"] = plain(searches(reference), 8)
    (folder / "nano.json").write_text(json.dumps(out, separators=(",", ":")) + "\n")


@torch.no_grad()
def searches(reference):
    """Beam searches of the random language model over many settings, each against transformers' generate."""
    model, found = reference.model, []
    for case in range(24):
        random = Philox(case, 15)
        x = torch.tensor(random.normals(6 * model.config.hidden_size).reshape(1, 6, -1), dtype=torch.float32)
        beams, penalty = [1, 2, 3, 5][case % 4], [0.0, 0.7, 1.0, 2.0][case // 4 % 4]
        mask = torch.ones(1, 6, dtype=torch.long)
        # Few tokens are allowed, one of them ends: searches end early, late and not at all.
        allowed = sorted({(37 * case + 31 * j) % 280 for j in range(3 + case % 5)})
        end = allowed[case % len(allowed)]
        banned = [i for i in range(model.config.vocab_size) if i not in allowed]
        scores = {} if beams == 1 else {"length_penalty": penalty, "early_stopping": True, "num_return_sequences": beams}
        out = model.generate(inputs_embeds=x, attention_mask=mask, num_beams=beams,
                             do_sample=False, max_new_tokens=10, eos_token_id=end, pad_token_id=end,
                             suppress_tokens=banned, return_dict_in_generate=True, output_scores=True, **scores)
        rows = [r[: r.index(end) + 1] if end in r else r for r in out.sequences.tolist()]
        found.append({"beams": beams, "length_penalty": penalty, "end": end, "allowed": allowed, "rows": rows,
                      "scores": [] if beams == 1 else out.sequences_scores.tolist()})
    return found


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("model", nargs="?", type=pathlib.Path)
    parser.add_argument("--pairs", nargs="+", type=pathlib.Path, default=[])
    parser.add_argument("--instruction")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--out", type=pathlib.Path)
    parser.add_argument("--golden", type=pathlib.Path, help="write nano.json of the random model here")
    parser.add_argument("--make-random", type=pathlib.Path, help="only write the random model folder here")
    arguments = parser.parse_args()
    if arguments.golden:
        return write_golden(arguments.golden)
    if arguments.make_random:
        repository = pathlib.Path(__file__).resolve().parents[2]
        return make_random_nano(arguments.make_random, repository / "models/nano/vision",
                                repository / "tests/golden/runtime/tokenizer.json", arguments.seed)
    reference, answers = Reference(arguments.model.resolve()), []
    for before, after in zip(arguments.pairs[::2], arguments.pairs[1::2]):
        images = [Image.open(path).convert("RGB") for path in (before, after)]
        answers.append(plain(reference.answer(*images, arguments.instruction, arguments.seed), 9))
    text = json.dumps({"pairs": answers})
    arguments.out.write_text(text) if arguments.out else print(text)


if __name__ == "__main__":
    main()
