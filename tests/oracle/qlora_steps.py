#!/usr/bin/env python3
"""Ten optimiser steps of LoRA by transformers + peft, on a dense base and on bitsandbytes' NF4 with double quantisation.

In:  nothing; base weights and the adapter's start are drawn by Philox (nano_random.py), as the test draws them again.
Out: tests/golden/learn/qlora_steps.json: per base and step the loss and, for the first and last step, all gradients; the packed batch's
     samples are computed one by one here.
Not here: any code of this repository.

    qlora_steps.py tests/golden/learn/qlora_steps.json
"""
import json
import sys
import tempfile

import torch
from peft import LoraConfig, get_peft_model
from transformers import AutoModelForCausalLM, BitsAndBytesConfig

from clip_transformers import random_tensor, short
from language_transformers import MODELS, build

SAMPLES = [([5, 9, 2, 30, 7, 7, 1], 3), ([11, 3, 20, 21], 2), ([8, 8, 9, 33, 36, 4, 2, 12, 6], 5)]  # ids, number of answer tokens
RANK, ALPHA, RATE, STEPS, DECAY = 4, 8, 1e-2, 10, 0.02
BASES = {"dense": ("qwen2", False), "nf4": ("qwen2", True), "llama_nf4": ("llama", True)}


def base_model(name, nf4):
    model = build(MODELS[name])
    state = model.state_dict()
    keys = [n for n in state if not (n == "lm_head.weight" and MODELS[name]["tie_word_embeddings"])]
    for sample, key in enumerate(keys):
        state[key].copy_(random_tensor(key, tuple(state[key].shape), sample))
    if not nf4:
        return model
    with tempfile.TemporaryDirectory() as folder:
        model.save_pretrained(folder)
        config = BitsAndBytesConfig(load_in_4bit=True, bnb_4bit_quant_type="nf4", bnb_4bit_use_double_quant=True,
                                    bnb_4bit_compute_dtype=torch.float32)
        return AutoModelForCausalLM.from_pretrained(folder, quantization_config=config, dtype=torch.float32, device_map={"": "cpu"},
                                                    attn_implementation="sdpa", local_files_only=True)


def steps(name, nf4):
    torch.manual_seed(0)
    model = get_peft_model(base_model(name, nf4), LoraConfig(r=RANK, lora_alpha=ALPHA, lora_dropout=0.0, target_modules=["q_proj", "v_proj"],
                                                             task_type="CAUSAL_LM"))
    trained = {n.replace(".default", ""): p for n, p in model.named_parameters() if p.requires_grad}
    order = sorted(trained)
    with torch.no_grad():
        for sample, key in enumerate(order):
            p = trained[key]
            p.copy_(random_tensor(key, tuple(p.shape), 500 + sample) * 0.1)
    optimiser = torch.optim.AdamW([trained[k] for k in order], lr=RATE, betas=(0.9, 0.999), eps=1e-8, weight_decay=DECAY)
    model.eval()  # no dropout anywhere
    out = []
    for step in range(STEPS):
        optimiser.zero_grad()
        total, count = 0, 0
        for ids, answer in SAMPLES:
            logits = model(input_ids=torch.tensor([ids])).logits[0]
            wanted = torch.tensor(ids[-answer:])
            total = total + torch.nn.functional.cross_entropy(logits[-answer - 1:-1].float(), wanted, reduction="sum", label_smoothing=0.05)
            count += answer
        loss = total / count
        loss.backward()
        entry = {"loss": float(loss.detach())}
        if step in (0, STEPS - 1):
            entry["gradients"] = {k: short(trained[k].grad) for k in order}
        out.append(entry)
        optimiser.step()
    return {"model": name, "nf4": nf4, "order": order, "steps": out}


def main():
    made = {"samples": SAMPLES, "rank": RANK, "alpha": ALPHA, "rate": RATE, "decay": DECAY, "smoothing": 0.05,
            "bases": {key: steps(*value) for key, value in BASES.items()}}
    with open(sys.argv[1], "w") as file:
        json.dump(made, file, separators=(",", ":"))


if __name__ == "__main__":
    main()
