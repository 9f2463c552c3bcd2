#!/usr/bin/env python3
"""Language models of Qwen2 and Llama architecture by transformers: logits, greedy tokens, padded batches.

In:  nothing, for the golden values; a language folder, for the check at full size.
Out: tests/golden/runtime/language.json   small random models (weights by Philox, drawn again by the tests) in float64
     FILE.safetensors                     ids (T), logits (T V) in float32 and bfloat16, greedy ids, of a folder
Not here: any code of this repository; the random numbers of core/rng.h are written again in nano_random.py.

    language_transformers.py --golden tests/golden
    language_transformers.py --full /models/qwen2.5-0.5b /tmp/qwen.golden.safetensors
    CP_LANGUAGE_DIR=/models/qwen2.5-0.5b CP_LANGUAGE_GOLDEN=/tmp/qwen.golden.safetensors test_runtime --gtest_filter='*FullSize*'
"""
import argparse
import json
import pathlib
import resource
import time

import torch
from safetensors.torch import save_file
from transformers import AutoModelForCausalLM, LlamaConfig, LlamaForCausalLM, Qwen2Config, Qwen2ForCausalLM

from clip_transformers import random_tensor, short

BASE = dict(hidden_size=24, intermediate_size=40, num_hidden_layers=2, num_attention_heads=4, num_key_value_heads=2, vocab_size=37,
            max_position_embeddings=128, rms_norm_eps=1e-6, rope_theta=10000.0, tie_word_embeddings=True, hidden_act="silu")
MODELS = {
    "qwen2": dict(BASE, model_type="qwen2"),
    "qwen2_untied": dict(BASE, model_type="qwen2", tie_word_embeddings=False, rope_theta=1e6),
    "qwen2_ungrouped": dict(BASE, model_type="qwen2", num_key_value_heads=4, rms_norm_eps=1e-5),
    "llama": dict(BASE, model_type="llama", num_attention_heads=3, num_key_value_heads=1, head_dim=8, rope_theta=100000.0),
    "llama_untied": dict(BASE, model_type="llama", head_dim=10, tie_word_embeddings=False),
}
PROMPTS = [[5, 9, 2, 30, 7, 7, 1], [11, 3], [20, 21, 22, 23]]
GREEDY = 12


def build(config):
    made = {k: v for k, v in config.items() if k not in ("model_type", "rope_theta")}
    made["rope_parameters"] = {"rope_type": "default", "rope_theta": config["rope_theta"]}
    kinds = {"qwen2": (Qwen2ForCausalLM, Qwen2Config), "llama": (LlamaForCausalLM, LlamaConfig)}
    model, configuration = kinds[config["model_type"]]
    return model(configuration(**made, attn_implementation="sdpa")).eval()


def greedy(model, ids, count):
    out = model.generate(torch.tensor([ids]), attention_mask=torch.ones(1, len(ids), dtype=torch.long), do_sample=False, max_new_tokens=count,
                         eos_token_id=None, pad_token_id=0)
    return out[0, len(ids):].tolist()


def padded(model, side):
    """Logits at the real places of a batch that is padded on one side, positions from the mask as generate() counts them."""
    width = max(map(len, PROMPTS))
    ids, mask = torch.zeros(len(PROMPTS), width, dtype=torch.long), torch.zeros(len(PROMPTS), width, dtype=torch.long)
    for row, prompt in enumerate(PROMPTS):
        at = slice(width - len(prompt), width) if side == "left" else slice(0, len(prompt))
        ids[row, at], mask[row, at] = torch.tensor(prompt), 1
    positions = (mask.cumsum(1) - 1).clamp_min(0)
    logits = model(input_ids=ids, attention_mask=mask, position_ids=positions).logits
    return [short(logits[row][mask[row].bool()]) for row in range(len(PROMPTS))]


@torch.no_grad()
def golden_models():
    made = {}
    for name, config in MODELS.items():
        model = build(config).double()
        state, tensors = model.state_dict(), []
        names = [n for n in state if not (n == "lm_head.weight" and config["tie_word_embeddings"])]
        for sample, key in enumerate(names):
            state[key].copy_(random_tensor(key, tuple(state[key].shape), sample))
            tensors.append([key, list(state[key].shape)])
        made[name] = {"config": config, "tensors": tensors, "prompts": PROMPTS,
                      "logits": [short(model(torch.tensor([p])).logits[0]) for p in PROMPTS],
                      "greedy": greedy(model, PROMPTS[0], GREEDY), "left": padded(model, "left"), "right": padded(model, "right")}
        for side in ("left", "right"):  # padding changes nothing but the last digits
            for a, b in zip(made[name][side], made[name]["logits"]):
                assert max(abs(x - y) for x, y in zip(a, b)) < 1e-6
            del made[name][side]
    return made


@torch.no_grad()
def full(folder, out, prompt_length, count, threads):
    torch.set_num_threads(threads)
    generator = torch.Generator().manual_seed(1)
    result = {}
    for dtype in ("float32", "bfloat16"):
        start = time.time()
        model = AutoModelForCausalLM.from_pretrained(folder, dtype=getattr(torch, dtype), local_files_only=True).eval()
        loaded = time.time() - start
        if "ids" not in result:
            result["ids"] = torch.randint(0, model.config.vocab_size, (prompt_length,), generator=generator)
        start = time.time()
        result[f"logits.{dtype}"] = model(result["ids"][None]).logits[0].float()
        prefill = time.time() - start
        start = time.time()
        result[f"greedy.{dtype}"] = torch.tensor(greedy(model, result["ids"].tolist(), count))
        print(json.dumps({"dtype": dtype, "load_s": round(loaded, 2), "prefill_s": round(prefill, 3), "generate_s": round(time.time() - start, 2),
                          "peak_mb": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024}))
        del model
    scale = result["logits.float32"].abs().max()
    print(json.dumps({"bfloat16_against_float32": float((result["logits.bfloat16"] - result["logits.float32"]).abs().max() / scale)}))
    save_file({k: v.contiguous() for k, v in result.items()}, out)


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--golden", type=pathlib.Path)
    parser.add_argument("--full", nargs=2, metavar=("FOLDER", "OUT"))
    parser.add_argument("--prompt-length", type=int, default=32)
    parser.add_argument("--tokens", type=int, default=64)
    parser.add_argument("--threads", type=int, default=1)
    a = parser.parse_args()
    if a.golden:
        (a.golden / "runtime/language.json").write_text(json.dumps(golden_models(), separators=(",", ":")))
    if a.full:
        full(*a.full, a.prompt_length, a.tokens, a.threads)


if __name__ == "__main__":
    main()
