"""Golden files of src/formats from safetensors and transformers.

In:  nothing. Out: tests/golden/formats/{all_dtypes,as_written}.safetensors, all_dtypes.json, qwen2_config.json. Not here: any
code of src/formats. With arguments it instead reads .safetensors files that ChangePilot wrote and lists what is in them.

    python tests/oracle/formats_golden.py
    python tests/oracle/formats_golden.py models/nano/fusion.safetensors
"""

import json
import pathlib
import sys
import tempfile

import torch
from safetensors import safe_open
from safetensors.torch import save_file

GOLDEN = pathlib.Path(__file__).parent.parent / "golden" / "formats"

# Values whose rounding to fp16 and bf16 is a tie, a carry, a subnormal, an overflow or plain.
VALUES = [0.0, -0.0, 1.0, -2.5, 1 / 3, 1.00048828125, 1.00146484375, 65504.0, 65519.996, 65520.0, -1e30, 6e-8, 2.98e-8, 6.1e-5, 3.4e38,
          1.00390625, 1.01171875, float("inf"), float("-inf")]


def show(path):
    with safe_open(path, framework="pt") as file:
        print(path, file.metadata())
        for name in file.keys():
            tensor = file.get_tensor(name)
            print(f"  {name} {tensor.dtype} {list(tensor.shape)} finite={bool(torch.isfinite(tensor.float()).all())}")


def main():
    if len(sys.argv) > 1:
        for path in sys.argv[1:]:
            show(path)
        return
    GOLDEN.mkdir(parents=True, exist_ok=True)
    base = torch.tensor(VALUES, dtype=torch.float32)
    tensors = {
        "odd.u8": torch.arange(3, dtype=torch.uint8),  # leaves what follows unaligned
        "flag.bool": torch.tensor([True, False, True]),
        "x.f64": torch.tensor([[1 / 3, -1e-3], [2.0, 1e30]], dtype=torch.float64),
        "x.f32": base.reshape(1, -1),
        "x.f16": base.to(torch.float16),
        "x.bf16": base.to(torch.bfloat16),
        "i.i64": torch.tensor([-(2**62), 5]),
        "i.i32": torch.tensor([[-7], [8]], dtype=torch.int32),
        "i.i16": torch.tensor([-300], dtype=torch.int16),
        "i.i8": torch.tensor([-5, 5, 0], dtype=torch.int8),
        "scalar": torch.tensor(0.15625),
        "empty": torch.zeros(0, 7),
        "name with \"quotes\", \u00e9 and \u4e2d": torch.ones(2),
    }
    save_file(tensors, GOLDEN / "all_dtypes.safetensors", metadata={"format": "pt"})
    floats = {n: [float(v) for v in t.float().flatten()] for n, t in tensors.items() if t.is_floating_point()}
    text = lambda v: str(v) if v in (float("inf"), float("-inf")) else v  # JSON has no infinities
    listing = {n: {"dtype": str(t.dtype).removeprefix("torch."), "shape": list(t.shape),
                   **({"values": [text(v) for v in floats[n]]} if n in floats else {})} for n, t in tensors.items()}
    (GOLDEN / "all_dtypes.json").write_text(json.dumps(listing, indent=0) + "\n")

    written = {"b.half": base.to(torch.float16).reshape(-1, 1), "a.half": base[:3].to(torch.float16), "m.brain": base.to(torch.bfloat16),
               "z.full": base, "c.full": torch.tensor(2.5), "d.none": torch.zeros(2, 0)}
    save_file(written, GOLDEN / "as_written.safetensors", metadata={"format": "pt"})
    for path in GOLDEN.glob("*.safetensors"):
        path.chmod(0o644)  # the writer makes them readable for the owner only

    from transformers import Qwen2Config
    config = Qwen2Config(vocab_size=1200, hidden_size=256, intermediate_size=672, num_hidden_layers=4, num_attention_heads=4,
                         num_key_value_heads=2, max_position_embeddings=128, tie_word_embeddings=True, rms_norm_eps=1e-6,
                         rope_parameters={"rope_type": "default", "rope_theta": 20000.0}, eos_token_id=1196, dtype="float16")
    with tempfile.TemporaryDirectory() as folder:
        config.save_pretrained(folder)
        (GOLDEN / "qwen2_config.json").write_text((pathlib.Path(folder) / "config.json").read_text())


if __name__ == "__main__":
    main()
