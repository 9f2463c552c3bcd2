"""`changepilot model generate` at full size against transformers, bitsandbytes and PEFT: logits of a prompt and greedy tokens.

In:  language folders, dense or NF4; perhaps a PEFT adapter.
Out: one JSON line a command. `compare` exits with 1 when the logits differ by more than the tolerance, or the tokens differ.
Not here: any code of src/; ChangePilot is run as a program.

    fullsize_command.py cast FOLDER OUT                                        the same weights as float32
    fullsize_command.py adapter FOLDER OUT --targets q_proj v_proj [--rslora]  a random adapter, written by PEFT
    fullsize_command.py compare OURS THEIRS --program changepilot [--adapter DIR [--merged]] [--dtype bfloat16] [--golden FILE]
    fullsize_command.py time FOLDER [--dtype bfloat16]                         transformers' own seconds and memory, keys as --json's

OURS is what ChangePilot reads and THEIRS what transformers reads, usually the same folder. --merged: OURS holds the adapter already.
--dtype is what transformers and bitsandbytes compute in, activations and weights; see load().
--golden FILE: transformers' logits for the training engine:
    CP_LANGUAGE_DIR=THEIRS CP_LANGUAGE_GOLDEN=FILE build/release/test_learn --gtest_filter='LanguageNet.FullSize*'
Run with OMP_NUM_THREADS=1.
"""

import argparse
import json
import os
import pathlib
import resource
import shutil
import subprocess
import sys
import tempfile
import time

os.environ["TORCHDYNAMO_DISABLE"] = "1"

import torch
from bitsandbytes.nn import Linear4bit
from safetensors.torch import load_file, save_file
from transformers import AutoModelForCausalLM


def load(folder, dtype):
    """Everything in `dtype`. That must be forced on a quantised folder: transformers 5.24 leaves what is stored as bfloat16 in that dtype, and
    bitsandbytes casts inside its layers to the folder's bnb_4bit_compute_dtype, whatever comes in; neither minds the dtype asked for."""
    dtype = getattr(torch, dtype)
    model = AutoModelForCausalLM.from_pretrained(folder, dtype=dtype, device_map="cpu", local_files_only=True).eval()
    for value in model.parameters():
        if value.is_floating_point():
            value.data = value.data.to(dtype)
    for module in model.modules():
        if isinstance(module, Linear4bit):
            module.compute_dtype = dtype
    with torch.no_grad():
        assert model(torch.tensor([[1, 2, 3]])).logits.dtype == dtype
    return model


def prompt_ids(model, length):
    return torch.randint(0, model.config.vocab_size, (length,), generator=torch.Generator().manual_seed(1)).tolist()


@torch.no_grad()
def greedy(model, ids, count):
    """transformers' greedy tokens (until the model's end token), and by how much each led the next one."""
    out = model.generate(torch.tensor([ids]), attention_mask=torch.ones(1, len(ids), dtype=torch.long), do_sample=False, max_new_tokens=count,
                         output_logits=True, return_dict_in_generate=True)
    leads = [float(-torch.diff(step[0].float().topk(2).values)) for step in out.logits]
    return out.sequences[0, len(ids):].tolist(), leads


@torch.no_grad()
def logits_of(model, ids):
    return model(torch.tensor([ids])).logits[0].float()


def relative(got, want):
    return float((got.float() - want.float()).abs().max() / want.float().abs().max())


def merged_weights(ours, adapted):
    """Largest difference of a merged weight from PEFT's own merging, relative to the matrix's largest value."""
    mine, theirs = load_file(ours / "model.safetensors"), adapted.merge_and_unload().state_dict()
    return max(relative(value, theirs[name]) for name, value in mine.items())


def compare(a):
    model = load(a.theirs, a.dtype)
    ids, plain = prompt_ids(model, a.length), None
    if a.adapter:
        from peft import PeftModel
        plain = logits_of(model, ids)
        model = PeftModel.from_pretrained(model, str(a.adapter)).eval()
    want = logits_of(model, ids)
    if a.golden:
        save_file({"ids": torch.tensor(ids), "logits.float32": want.contiguous()}, a.golden)
    tokens, leads = greedy(model, ids, a.tokens)
    with tempfile.TemporaryDirectory() as work:
        file = pathlib.Path(work) / "logits.safetensors"
        command = [a.program, "model", "generate", a.ours, "--ids", ",".join(map(str, ids)), "--max-new-tokens", a.tokens, "--json", "--logits", file]
        if a.adapter and not a.merged:
            command += ["--adapter", a.adapter]
        answer = json.loads(subprocess.run(list(map(str, command)), check=True, capture_output=True, text=True).stdout)
        got = load_file(file)["logits"]
    same = next((i for i, pair in enumerate(zip(answer["ids"], tokens)) if pair[0] != pair[1]), min(len(tokens), len(answer["ids"])))
    out = {"ours": str(a.ours), "theirs": str(a.theirs), "adapter": str(a.adapter) if a.adapter else None, "dtype": a.dtype,
           "logit_error": relative(got, want), "same_argmax": int((got.argmax(-1) == want.argmax(-1)).sum()), "positions": len(ids),
           "same_tokens": same, "tokens": len(tokens), "narrowest_lead": min(leads)}
    if answer["ids"] != tokens:
        out["lead_where_they_part"] = leads[same] if same < len(leads) else None
    if plain is not None:
        out["adapter_moves_logits_by"] = relative(want, plain)
    if a.merged:
        out["merged_weight_error"] = merged_weights(a.ours, model)
    print(json.dumps(out))
    sys.exit(0 if out["logit_error"] <= a.tolerance and answer["ids"] == tokens else 1)


def adapter(a):
    from peft import LoraConfig, get_peft_model
    torch.manual_seed(5)
    model = get_peft_model(load(a.folder, "float32"), LoraConfig(r=a.rank, lora_alpha=2 * a.rank, target_modules=a.targets, use_rslora=a.rslora,
                                                                task_type="CAUSAL_LM"))
    for name, value in model.named_parameters():
        if "lora_B" in name:  # zeros otherwise
            value.data = torch.randn(value.shape) * 0.02
    model.save_pretrained(a.out)


def cast(a):
    shutil.copytree(a.folder, a.out, ignore=shutil.ignore_patterns("*.safetensors"))
    save_file({name: value.float() for name, value in load_file(a.folder / "model.safetensors").items()}, a.out / "model.safetensors",
              metadata={"format": "pt"})
    config = json.loads((a.out / "config.json").read_text())
    config["torch_dtype"] = "float32"
    (a.out / "config.json").write_text(json.dumps(config, indent=2))


@torch.no_grad()
def measure(a):
    start = time.perf_counter()
    model = load(a.folder, a.dtype)
    load_s = time.perf_counter() - start
    next_ids, cache, marks = torch.tensor([prompt_ids(model, a.length)]), None, [time.perf_counter()]
    for _ in range(a.tokens):
        out = model(next_ids, past_key_values=cache, use_cache=True, logits_to_keep=1)
        next_ids, cache = out.logits[:, -1:].argmax(-1), out.past_key_values
        marks.append(time.perf_counter())
    print(json.dumps({"folder": str(a.folder), "dtype": a.dtype, "load_s": load_s, "prefill_s": marks[1] - marks[0],
                      "tokens_per_s": (a.tokens - 1) / (marks[-1] - marks[1]), "peak_mb": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024,
                      "load_avg_1m": os.getloadavg()[0]}))


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    commands = parser.add_subparsers(required=True)

    def command(name, run, *folders):
        made = commands.add_parser(name)
        made.set_defaults(run=run)
        for folder in folders:
            made.add_argument(folder, type=pathlib.Path)
        return made

    command("cast", cast, "folder", "out")
    made = command("adapter", adapter, "folder", "out")
    made.add_argument("--targets", nargs="+", required=True)
    made.add_argument("--rank", type=int, default=8)
    made.add_argument("--rslora", action="store_true")
    against, timed = command("compare", compare, "ours", "theirs"), command("time", measure, "folder")
    for made in (against, timed):
        made.add_argument("--dtype", choices=("float32", "bfloat16"), default="float32")
        made.add_argument("--length", type=int, default=32, help="tokens of the prompt, random ones")
        made.add_argument("--tokens", type=int, default=64)
    against.add_argument("--program", required=True)
    against.add_argument("--adapter", type=pathlib.Path)
    against.add_argument("--merged", action="store_true")
    against.add_argument("--golden", type=pathlib.Path, help="transformers' logits, for CP_LANGUAGE_GOLDEN of test_learn")
    against.add_argument("--tolerance", type=float, default=1e-4)
    a = parser.parse_args()
    torch.set_num_threads(1)
    a.run(a)


if __name__ == "__main__":
    main()
