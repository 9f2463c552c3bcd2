"""Golden values of src/formats/nf4.h from bitsandbytes on a CPU.

In:  nothing. Out: tests/golden/formats/nf4.json (digests of 200 matrices) and nf4_twice.safetensors, nf4_once.safetensors (two
     layers each as bitsandbytes serialises them). Not here: any code of src/formats.

    OMP_NUM_THREADS=1 python tests/oracle/nf4_bitsandbytes.py

The matrices are made of the words of core/rng.h (see core_philox.py) by operations that are exact or rounded once, so that
tests/formats/nf4_test.cpp makes the same ones. Run it on a machine whose torch uses AVX2 (not AVX-512) with one thread: the mean
of the scales is added up in an order that depends on both.
"""

import hashlib
import json
import os
import pathlib

os.environ["TORCHDYNAMO_DISABLE"] = "1"  # odd widths: one compilation a shape otherwise

import bitsandbytes
import bitsandbytes.functional as F
import numpy as np
import torch
from safetensors.torch import save_file

GOLDEN = pathlib.Path(__file__).parent.parent / "golden" / "formats"
SEED, STREAM_TEST, COUNT = 41, 15, 200
F32 = np.float32


def words(sample, count):
    """The first `count` words of Rng(SEED, Stream::test, 0, sample)."""
    blocks = (count + 3) // 4
    c = [np.arange(blocks, dtype=np.uint64), np.zeros(blocks, np.uint64), np.full(blocks, sample, np.uint64), np.zeros(blocks, np.uint64)]
    mask, low = np.uint64(0xFFFFFFFF), np.uint64(32)
    k0, k1 = (SEED ^ STREAM_TEST * 0x9E3779B9) & 0xFFFFFFFF, STREAM_TEST
    for _ in range(10):
        p0, p1 = np.uint64(0xD2511F53) * c[0], np.uint64(0xCD9E8D57) * c[2]
        c = [(p1 >> low) ^ c[1] ^ np.uint64(k0), p1 & mask, (p0 >> low) ^ c[3] ^ np.uint64(k1), p0 & mask]
        k0, k1 = (k0 + 0x9E3779B9) & 0xFFFFFFFF, (k1 + 0xBB67AE85) & 0xFFFFFFFF
    return np.stack(c, 1).reshape(-1)[:count]


def matrix(sample):
    """Returns values (float32), dtype, whether to quantise twice. Kinds: see the branches."""
    head = words(sample, 3)
    kind = sample % 10
    rows, cols = 1 + int(head[0] % 40), 1 + int(head[1] % 200)
    if sample % 20 == 10:
        rows, cols = 150 + rows, 128  # more than one block of the second level
    n = rows * cols
    draws = words(sample, 3 + n)[3:]
    halves = (draws & np.uint64(0xFFFF)).astype(np.int64) + (draws >> np.uint64(16)).astype(np.int64) - 65535
    x = halves.astype(F32) * F32(2.0**-16)  # triangular in (-1, 1), exact
    i = np.arange(n)
    dtype = torch.float32
    if kind in (0, 9):  # like weights
        x = x * F32(0.0213)
    elif kind == 1:
        x, dtype = x * F32(0.0213), torch.bfloat16
    elif kind == 2:  # subnormal halves among them
        x, dtype = x * F32(0.0213 if sample % 20 == 2 else 3e-6), torch.float16
    elif kind == 3:  # zeros, one by one and whole blocks
        x = np.where((draws % np.uint64(3) == 0) | (i // 64 % 2 == 1), F32(0), x * F32(0.3))
    elif kind == 4:  # subnormal and tiny
        x, dtype = x * F32(2.0 ** -(126 + sample % 23)), torch.bfloat16 if sample % 20 == 4 else torch.float32
    elif kind == 5:  # a scale of 1 and values on, just above and just below the borders of the codes
        code = F.get_4bit_type("nf4", device="cpu").numpy()
        border = ((code[:-1] + code[1:]) / F32(2))[draws.astype(np.int64) % 15]
        way = (draws >> np.uint64(8)).astype(np.int64) % 3
        x = np.where(way == 0, border, np.nextafter(border, np.where(way == 1, F32(2), F32(-2)).astype(F32)))
        x = np.where(i % 64 == 0, F32(1), x)
    elif kind == 6:  # huge
        x = x * F32(2.0**100 if head[2] & np.uint64(1) else 3.4e38)
    elif kind == 7:  # each block of another size
        x = x * (F32(2.0) ** (i // 64 % 30 - 20).astype(F32))
    elif kind == 8:  # all scales alike: the second level has nothing to say
        x = np.where(i % 64 == 0, F32(0.25), x * F32(0.25))
    x = x.astype(F32)
    return torch.tensor(x).reshape(rows, cols).to(dtype), bool(head[2] & np.uint64(1))


def digest(tensor):
    return hashlib.sha256(tensor.contiguous().view(torch.uint8).numpy().tobytes()).hexdigest()[:12]


def quantised(w, twice):
    return F.quantize_4bit(w, blocksize=64, quant_type="nf4", compress_statistics=twice)


def main():
    torch.set_num_threads(1)
    assert torch.backends.cpu.get_cpu_capability() == "AVX2"
    out = []
    for sample in range(COUNT):
        w, twice = matrix(sample)
        codes, state = quantised(w, twice)
        scales = state.absmax
        if twice:
            scales = F.dequantize_blockwise(state.absmax, state.state2) + state.offset
        out.append({"rows": w.shape[0], "cols": w.shape[1], "dtype": str(w.dtype).removeprefix("torch."), "twice": twice,
                    "input": digest(w.float()), "codes": digest(codes), "absmax": digest(state.absmax), "scales": digest(scales),
                    "nested_absmax": digest(state.state2.absmax) if twice else "", "nested_map": digest(state.state2.code) if twice else "",
                    "offset": float(state.offset).hex() if twice else "",
                    "values": digest(F.dequantize_4bit(codes, state).reshape(w.shape).float())})
    text = "[\n" + ",\n".join(json.dumps(item) for item in out) + "\n]\n"
    (GOLDEN / "nf4.json").write_text(text)

    for twice, name in ((True, "nf4_twice"), (False, "nf4_once")):
        tensors = {}
        for layer, sample in (("a.proj", 21), ("b.proj", 12)):  # bfloat16 and float16
            w, _ = matrix(sample)
            codes, state = quantised(w, twice)
            tensors[f"{layer}.weight"] = codes
            for key, value in state.as_dict(packed=True).items():
                tensors[f"{layer}.weight.{key}"] = value
        save_file(tensors, GOLDEN / f"{name}.safetensors", metadata={"format": "pt"})
        (GOLDEN / f"{name}.safetensors").chmod(0o644)
    print("bitsandbytes", bitsandbytes.__version__, "torch", torch.__version__)


if __name__ == "__main__":
    main()
