"""Golden LoRA adapters from PEFT on a tiny random Qwen2, and PEFT's reading of folders that ChangePilot wrote.

In:  nothing. Out: tests/golden/formats/peft/: base.safetensors (the whole model), cases/NAME/ (adapter folders), expected.safetensors with,
for each case, of PEFT: "NAME/merged" (merged weight x probe of every linear module, in the order of the model), "NAME/delta" (the
adapter's own share of that) and "NAME/logits" of IDS. Not here: any code of src/.

    python tests/oracle/peft_adapters.py
    python tests/oracle/peft_adapters.py --check FOLDER    each NAME/ of it: an adapter and ours.safetensors (merged, logits)
    python tests/oracle/peft_adapters.py --starts          which init_lora_weights change the base when PEFT loads an adapter
"""

import json
import pathlib
import shutil
import sys
import tempfile
import warnings

import peft
import torch
from peft import LoraConfig, PeftModel, get_peft_model
from safetensors.torch import load_file, save_file
from transformers import Qwen2Config, Qwen2ForCausalLM, Qwen2Model

GOLDEN = pathlib.Path(__file__).parent.parent / "golden" / "formats" / "peft"
CONFIG = dict(vocab_size=11, hidden_size=16, intermediate_size=24, num_hidden_layers=2, num_attention_heads=4, num_key_value_heads=2,
              max_position_embeddings=64, tie_word_embeddings=True, rope_theta=10000.0)
IDS = [1, 5, 2, 9, 10, 3]
QV, SEVEN = ["q_proj", "v_proj"], ["q_proj", "k_proj", "v_proj", "o_proj", "gate_proj", "up_proj", "down_proj"]
L0, L1 = "model.layers.0.", "model.layers.1."

# Name: keywords of LoraConfig, and the special ones of make().
CASES = {
    "q_v": dict(r=4, lora_alpha=8, target_modules=QV),
    "seven": dict(r=2, lora_alpha=6, target_modules=SEVEN),
    "rank_one": dict(r=1, lora_alpha=1, target_modules=["q_proj"]),
    "all_linear": dict(r=1, lora_alpha=3, target_modules="all-linear"),
    "mlp": dict(r=2, lora_alpha=1, target_modules=["gate_proj", "up_proj", "down_proj"]),
    "k_o": dict(r=3, lora_alpha=16, target_modules=["k_proj", "o_proj"]),
    "rank_above_width": dict(r=20, lora_alpha=10, target_modules=["k_proj"]),
    "alpha_fraction": dict(r=2, lora_alpha=0.75, target_modules=QV),
    "rslora": dict(r=16, lora_alpha=16, target_modules=["v_proj"], use_rslora=True),
    "rslora_seven": dict(r=3, lora_alpha=4, target_modules=SEVEN, use_rslora=True),
    "rank_pattern": dict(r=2, lora_alpha=4, target_modules=QV, rank_pattern={"q_proj": 3, L1 + "self_attn.v_proj": 1}),
    "alpha_pattern": dict(r=2, lora_alpha=4, target_modules=QV, alpha_pattern={"v_proj": 7, L0 + "self_attn.q_proj": 1}),
    "both_patterns": dict(r=2, lora_alpha=4, target_modules=["q_proj", "down_proj"], rank_pattern={"mlp.down_proj": 3},
                          alpha_pattern={"down_proj": 9, "layers.1.self_attn.q_proj": 2}),
    "patterns_rslora": dict(r=2, lora_alpha=4, target_modules=QV, rank_pattern={"v_proj": 5}, alpha_pattern={"v_proj": 3}, use_rslora=True),
    "whole_name_pattern": dict(r=2, lora_alpha=4, target_modules=QV, rank_pattern={"^" + L0 + "self_attn.v_proj": 4}),
    "pattern_order": dict(r=2, lora_alpha=4, target_modules=["q_proj"], rank_pattern={L0 + "self_attn.q_proj": 1, "q_proj": 3}),
    "pattern_order_kept": dict(r=2, lora_alpha=4, target_modules=["q_proj"], alpha_pattern={"q_proj": 3, L0 + "self_attn.q_proj": 9},
                               keep_order=True),
    "pattern_any_character": dict(r=2, lora_alpha=4, target_modules=QV, alpha_pattern={"q.proj": 11}),
    "one_layer": dict(r=2, lora_alpha=4, target_modules=QV, layers_to_transform=[1]),
    "one_layer_number": dict(r=2, lora_alpha=4, target_modules=QV, layers_to_transform=0),
    "whole_name_and_layer": dict(r=2, lora_alpha=4, target_modules=[L0 + "self_attn.q_proj", "v_proj"], layers_to_transform=[1]),
    "whole_names": dict(r=2, lora_alpha=4, target_modules=[L0 + "self_attn.q_proj", L1 + "mlp.up_proj"]),
    "whole_name_text": dict(r=2, lora_alpha=4, target_modules=L1 + "self_attn.k_proj"),
    "dropout": dict(r=2, lora_alpha=4, target_modules=QV, lora_dropout=0.3),
    "gaussian": dict(r=2, lora_alpha=4, target_modules=QV, init_lora_weights="gaussian"),
    "orthogonal": dict(r=2, lora_alpha=4, target_modules=QV, init_lora_weights="orthogonal"),
    "eva": dict(r=2, lora_alpha=4, target_modules=QV, init_lora_weights="eva", eva_config=peft.EvaConfig()),
    "other_name": dict(r=2, lora_alpha=4, target_modules=QV, adapter="other"),
    "bf16": dict(r=2, lora_alpha=4, target_modules=QV, dtype=torch.bfloat16),
    "f16": dict(r=2, lora_alpha=4, target_modules=QV, dtype=torch.float16),
    "no_head": dict(r=2, lora_alpha=4, target_modules=QV, model=Qwen2Model),
    "old_config": dict(r=2, lora_alpha=4, target_modules=QV, keep=["peft_type", "r", "lora_alpha", "target_modules", "task_type"]),
    "no_prefix": dict(r=2, lora_alpha=4, target_modules=QV, rename=lambda n: n.removeprefix("base_model.model.")),
    "name_inside": dict(r=2, lora_alpha=4, target_modules=QV, rename=lambda n: n.replace(".weight", ".default.weight")),
}


def tiny(cls=Qwen2ForCausalLM):
    """The model of base.safetensors."""
    model = Qwen2ForCausalLM(Qwen2Config(**CONFIG))
    missing, unexpected = model.load_state_dict(load_file(GOLDEN / "base.safetensors"), strict=False)
    assert missing == ["lm_head.weight"] and not unexpected, (missing, unexpected)
    model.tie_weights()
    return (model if cls is Qwen2ForCausalLM else model.model).eval()


def linears(model):
    return {n if n.startswith("model.") else "model." + n: m for n, m in model.named_modules()
            if isinstance(m, torch.nn.Linear) and "lm_head" not in n}


def probe(width):
    return torch.cos(torch.arange(1, width + 1, dtype=torch.float64) ** 2).float()


def logits_of(model, head):
    with torch.no_grad():
        out = model(input_ids=torch.tensor([IDS]))
        return out.logits[0] if hasattr(out, "logits") else out.last_hidden_state[0] @ head.T


def outcome(peft_model, plain):
    """merged, delta and logits of a model with its adapter; merges it."""
    head = plain.state_dict().get("model.embed_tokens.weight", plain.state_dict().get("embed_tokens.weight"))
    logits = logits_of(peft_model, head)
    before = {n: m.weight.detach().clone() for n, m in linears(plain).items()}
    delta = []
    layers = {n.removeprefix("base_model.model."): m for n, m in peft_model.named_modules() if hasattr(m, "lora_A")}
    layers = {n if n.startswith("model.") else "model." + n: m for n, m in layers.items()}
    for name, weight in before.items():
        x = probe(weight.shape[1])
        with torch.no_grad():
            delta.append(layers[name](x) - layers[name].base_layer(x) if name in layers else torch.zeros(weight.shape[0]))
    merged = linears(peft_model.merge_and_unload())
    return {"merged": torch.cat([merged[n].weight.detach() @ probe(w.shape[1]) for n, w in before.items()]),
            "delta": torch.cat(delta), "logits": logits.contiguous()}


def randomise(model, seed):
    generator = torch.Generator().manual_seed(seed)
    for name, value in model.named_parameters():
        if "lora_" in name:
            value.data = torch.randn(value.shape, generator=generator) * 0.3


def make(name, seed, options):
    options = dict(options)
    cls, adapter = options.pop("model", Qwen2ForCausalLM), options.pop("adapter", "default")
    dtype, rename = options.pop("dtype", torch.float32), options.pop("rename", None)
    keep, keep_order = options.pop("keep", None), options.pop("keep_order", False)
    kind = "FEATURE_EXTRACTION" if cls is Qwen2Model else "CAUSAL_LM"
    folder = GOLDEN / "cases" / name
    config = LoraConfig(task_type=kind, **options)
    model = get_peft_model(tiny(cls), config, adapter_name=adapter)
    randomise(model, seed)
    with tempfile.TemporaryDirectory() as temporary:
        model.save_pretrained(temporary)
        shutil.copytree(pathlib.Path(temporary) / ("" if adapter == "default" else adapter), folder)
    (folder / "README.md").unlink(missing_ok=True)
    weights, settings = folder / "adapter_model.safetensors", folder / "adapter_config.json"
    if dtype != torch.float32:
        save_file({n: t.to(dtype) for n, t in load_file(weights).items()}, weights, metadata={"format": "pt"})
    values = json.loads(settings.read_text())
    if isinstance(values["target_modules"], list):
        values["target_modules"].sort()  # a set, in an order of its own at each run
    if keep_order:
        values["alpha_pattern"] = options["alpha_pattern"]
    settings.write_text(json.dumps({k: v for k, v in values.items() if not keep or k in keep}, indent=1))

    result = read(folder, cls)  # as PEFT reads its own file again
    if rename:  # spelt as exporters other than PEFT do
        save_file({rename(n): t for n, t in load_file(weights).items()}, weights, metadata={"format": "pt"})
    for path in folder.iterdir():
        path.chmod(0o644)
    return result


def read(folder, cls=Qwen2ForCausalLM):
    with warnings.catch_warnings():
        warnings.simplefilter("error")  # PEFT warns of missing keys and unknown fields
        warnings.filterwarnings("ignore", category=FutureWarning)
        model = PeftModel.from_pretrained(tiny(cls), str(folder)).eval()
    return outcome(model, tiny(cls))


def check(root):
    """Reads every adapter folder below `root` in PEFT and compares with what ChangePilot computed."""
    equal, worst = 0, {"merged": 0.0, "logits": 0.0}
    folders = sorted(p.parent for p in root.rglob("ours.safetensors"))
    for folder in folders:
        theirs, ours = read(folder), load_file(folder / "ours.safetensors")
        errors = {k: float((theirs[k].flatten() - ours[k].flatten()).abs().max()) for k in worst}
        worst = {k: max(worst[k], errors[k]) for k in worst}
        equal += all(e < 1e-5 for e in errors.values())
        print(f"{folder.relative_to(root)}: {errors}, delta up to {float(theirs['delta'].abs().max()):.3f}")
    print(f"{equal} of {len(folders)} equal within 1e-5, largest difference {worst}")
    sys.exit(equal != len(folders) or not folders)


def starts():
    for start in (True, False, "gaussian", "orthogonal", "eva", "pissa", "pissa_niter_4", "olora", "mica"):
        with tempfile.TemporaryDirectory() as folder:
            model = get_peft_model(tiny(), LoraConfig(r=2, target_modules=QV, init_lora_weights=start, task_type="CAUSAL_LM"))
            model.save_pretrained(folder)
            loaded = PeftModel.from_pretrained(tiny(), folder)
            plain = {n: m.weight for n, m in linears(tiny()).items()}
            moved = max(float((m.base_layer.weight - plain[n.removeprefix("base_model.model.")]).abs().max())
                        for n, m in loaded.named_modules() if hasattr(m, "lora_A"))
            print(f"{start}: the base's weights move by {moved:.3g} when the adapter is loaded")


def main():
    if sys.argv[1:2] == ["--check"]:
        return check(pathlib.Path(sys.argv[2]))
    if sys.argv[1:] == ["--starts"]:
        return starts()
    shutil.rmtree(GOLDEN, ignore_errors=True)
    GOLDEN.mkdir(parents=True)
    generator = torch.Generator().manual_seed(7)
    state = {n: (1.0 if "norm" in n else 0.0) + torch.randn(t.shape, generator=generator) * 0.2
             for n, t in Qwen2ForCausalLM(Qwen2Config(**CONFIG)).state_dict().items() if n != "lm_head.weight"}
    save_file(state, GOLDEN / "base.safetensors", metadata={"format": "pt"})
    expected = {}
    for seed, (name, options) in enumerate(CASES.items()):
        expected.update({f"{name}/{k}": v for k, v in make(name, seed, options).items()})
    save_file(expected, GOLDEN / "expected.safetensors", metadata={"format": "pt"})
    for path in GOLDEN.glob("*.safetensors"):
        path.chmod(0o644)
    print(f"{len(CASES)} cases with peft {peft.__version__}, torch {torch.__version__}")


if __name__ == "__main__":
    torch.manual_seed(0)
    main()
