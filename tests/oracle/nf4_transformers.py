"""Loads a language model that ChangePilot quantised with transformers and bitsandbytes, and compares it with their own quantisation.

In:  DENSE, a Hugging Face folder; QUANTISED, what ChangePilot made of it (NF4 linear layers, everything else as it was).
Out: one JSON line: how many layers' codes and scales are equal to the bit, the largest difference of a logit, greedy tokens.
     Exit status 1 when codes, values, logits or tokens differ. Not here: any code of src/.

    OMP_NUM_THREADS=1 python tests/oracle/nf4_transformers.py DENSE QUANTISED [--tokens 24]

One thread and AVX2 matter: the mean of a large layer's scales is added up in another order otherwise (formats/nf4.h). Such a
layer is counted in "offset_ulps" and may differ in a code of the second level. An int8 embedding is ChangePilot's own format;
transformers does not read it, so quantise with a plain embedding for this comparison.
"""

import argparse
import json
import os
import pathlib
import sys

os.environ["TORCHDYNAMO_DISABLE"] = "1"

import bitsandbytes.functional as F
import numpy as np
import torch
from bitsandbytes.nn import Linear4bit
from safetensors import safe_open
from transformers import AutoModelForCausalLM, BitsAndBytesConfig


def layers(model):
    return {name: module for name, module in model.named_modules() if isinstance(module, Linear4bit)}


def ulps(a, b):
    a, b = (int(np.float32(x.item()).view(np.int32)) for x in (a, b))
    return abs(a - b)


def compare(ours, theirs):
    """Counts over the NF4 layers. Both models hold bitsandbytes' own objects, one read from our file, one made by it."""
    mine, own = layers(ours), layers(theirs)
    out = {"layers": len(own), "same_layers": sorted(mine) == sorted(own), "codes": 0, "first_level": 0, "second_level": 0, "offset_ulps": 0,
           "values": 0}
    for name in set(mine) & set(own):
        a, b = mine[name].weight, own[name].weight
        s, t = a.quant_state, b.quant_state
        assert s.dtype == t.dtype and tuple(s.shape) == tuple(t.shape) and s.blocksize == t.blocksize and torch.equal(s.code, t.code), name
        assert s.nested == t.nested, f"{name}: double quantisation differs"
        out["codes"] += torch.equal(a.data, b.data)
        out["first_level"] += torch.equal(s.absmax, t.absmax)
        if s.nested:
            out["second_level"] += torch.equal(s.state2.absmax, t.state2.absmax) and torch.equal(s.state2.code, t.state2.code)
            out["offset_ulps"] = max(out["offset_ulps"], ulps(s.offset, t.offset))
        else:
            out["second_level"] += 1
        out["values"] += torch.equal(F.dequantize_4bit(a.data, s), F.dequantize_4bit(b.data, t))
    return out


def run(model, prompt, count):
    """Logits of the prompt (P V) and greedy tokens, without any generation settings of the folder."""
    with torch.no_grad():
        logits = model(prompt).logits[0].float()
        ids = prompt
        for _ in range(count):
            ids = torch.cat([ids, model(ids).logits[:, -1:].argmax(-1)], 1)
    return logits, ids[0, prompt.shape[1]:].tolist()


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("dense", type=pathlib.Path)
    parser.add_argument("quantised", type=pathlib.Path)
    parser.add_argument("--tokens", type=int, default=24)
    args = parser.parse_args()

    with safe_open(args.quantised / "model.safetensors", framework="pt") as file:
        if any(name.endswith(".weight_scale") for name in file.keys()):
            sys.exit("The folder has int8 weights, which transformers does not read; quantise with a plain embedding.")
    config = json.loads((args.dense / "config.json").read_text())
    quantised = json.loads((args.quantised / "config.json").read_text()).get("quantization_config")
    if not quantised:
        sys.exit("config.json of the quantised folder has no quantization_config.")
    dtype = getattr(torch, config.get("dtype") or config["torch_dtype"])
    twice = quantised["bnb_4bit_use_double_quant"]

    own_config = BitsAndBytesConfig(load_in_4bit=True, bnb_4bit_quant_type="nf4", bnb_4bit_use_double_quant=twice, bnb_4bit_compute_dtype=dtype)
    theirs = AutoModelForCausalLM.from_pretrained(args.dense, quantization_config=own_config, dtype=dtype, device_map="cpu").eval()
    ours = AutoModelForCausalLM.from_pretrained(args.quantised, dtype=dtype, device_map="cpu").eval()

    out = compare(ours, theirs)
    prompt = (torch.arange(1, 17) * 7919 % config["vocab_size"])[None]
    (a, first), (b, second) = run(ours, prompt, args.tokens), run(theirs, prompt, args.tokens)
    out |= {"logits": list(a.shape), "logit_difference": float((a - b).abs().max()), "logit_size": float(b.abs().max()), "tokens": first,
            "same_tokens": first == second}
    print(json.dumps(out))
    equal = out["same_layers"] and out["codes"] == out["values"] == out["layers"] and out["logit_difference"] == 0 and out["same_tokens"]
    sys.exit(0 if equal and out["layers"] > 0 else 1)


if __name__ == "__main__":
    main()
