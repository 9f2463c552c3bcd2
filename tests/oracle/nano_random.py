"""The small random model and the random pairs that tests/runtime/random_nano.h builds too, number for number.

In:  a seed.
Out: a model folder (vision by reference to models/nano/vision), pairs of pictures, normal numbers.
Not here: what is computed with them (nano_reference.py).
"""
import hashlib
import json
import shutil

import numpy as np
from safetensors.numpy import save_file

TEST = 15  # Stream::test of core/rng.h
HIDDEN, LAYERS, HEADS, KV_HEADS, INTERMEDIATE, CONCEPTS, UNUSED_IDS = 32, 2, 4, 2, 48, 5, 3
MASK = np.uint64(0xFFFFFFFF)


class Philox:
    """core/rng.h written again from Salmon et al. (SC 2011): Philox4x32-10, 53-bit uniforms, Box-Muller normals."""

    def __init__(self, seed, stream, sample=0):
        self.key = ((seed & 0xFFFFFFFF) ^ (stream * 0x9E3779B9 & 0xFFFFFFFF), (seed >> 32) ^ stream)
        self.sample = sample

    def blocks(self, count):
        """(count 4) 32-bit words, from the first block on."""
        x = [np.arange(count, dtype=np.uint64), np.zeros(count, np.uint64), np.full(count, self.sample, np.uint64), np.zeros(count, np.uint64)]
        k0, k1 = self.key
        for _ in range(10):
            p0, p1 = x[0] * np.uint64(0xD2511F53), x[2] * np.uint64(0xCD9E8D57)
            x = [(p1 >> np.uint64(32)) ^ x[1] ^ np.uint64(k0), p1 & MASK, (p0 >> np.uint64(32)) ^ x[3] ^ np.uint64(k1), p0 & MASK]
            k0, k1 = (k0 + 0x9E3779B9) & 0xFFFFFFFF, (k1 + 0xBB67AE85) & 0xFFFFFFFF
        return np.stack(x, 1)

    def normals(self, count):
        """One block makes two uniforms, they make two normals."""
        w = self.blocks((count + 1) // 2)
        u = ((w[:, 0::2] >> np.uint64(5) << np.uint64(26)) | (w[:, 1::2] >> np.uint64(6))).astype(np.float64) * 2.0**-53
        radius, angle = np.sqrt(-2 * np.log(1 - u[:, 0])), 2 * np.pi * u[:, 1]
        return np.stack([radius * np.cos(angle), radius * np.sin(angle)], 1).ravel()[:count]


def random_pair(index):
    """Two (256 256 3) pictures of 16 x 16 px blocks; every fifth block differs."""
    words = Philox(1000 + index, TEST).blocks(2 * 256)
    colours = (words[:, :3] & np.uint64(255)).astype(np.uint8).reshape(2, 256, 3)
    before, other = colours
    after = np.where((np.arange(256) % 5 == 0)[:, None], other, before)
    enlarge = lambda c: np.kron(c.reshape(16, 16, 3), np.ones((16, 16, 1), np.uint8))  # noqa: E731
    return enlarge(before), enlarge(after)


def fusion_shapes():
    shapes = []
    layer = lambda name, *shape: shapes.extend([(name + ".weight", shape), (name + ".bias", shape[:1])])  # noqa: E731
    for part, strides in (("fusion", (32, 16, 8)), ("projector", (32, 16))):
        for s in strides:
            layer(f"{part}.in.{s}", 64, {32: 320, 16: 112, 8: 40}[s], 1, 1)
            layer(f"{part}.norm.{s}", 64)
            if part == "fusion":
                layer(f"fusion.mix.{s}", 64, 192, 1, 1)
    layer("fusion.conv1", 64, 64, 3, 3)
    layer("fusion.conv2", 64, 64, 3, 3)
    layer("change_map", 4, 64, 1, 1)
    layer("change_flag.0", 64, 130)
    layer("change_flag.2", 1, 64)
    layer("projector.mix.0", HIDDEN, 512)
    layer("projector.mix.2", HIDDEN, HIDDEN)
    layer("projector.concept.0", 128, 2 * HIDDEN)
    layer("projector.concept.2", CONCEPTS, 128)
    layer("projector.concept_in", HIDDEN, CONCEPTS)
    shapes += [("projector.position", (16, HIDDEN)), ("projector.out_norm.weight", (HIDDEN,)), ("projector.scale", ()),
               ("projector.flag.weight", (2, HIDDEN))]
    return shapes


def language_shapes(vocabulary):
    kv = HIDDEN // HEADS * KV_HEADS
    shapes = [("model.embed_tokens.weight", (vocabulary, HIDDEN)), ("model.norm.weight", (HIDDEN,))]
    for i in range(LAYERS):
        p = f"model.layers.{i}."
        shapes += [(p + "input_layernorm.weight", (HIDDEN,)), (p + "post_attention_layernorm.weight", (HIDDEN,))]
        for name, rows in (("q_proj", HIDDEN), ("k_proj", kv), ("v_proj", kv)):
            shapes += [(f"{p}self_attn.{name}.weight", (rows, HIDDEN)), (f"{p}self_attn.{name}.bias", (rows,))]
        shapes += [(p + "self_attn.o_proj.weight", (HIDDEN, HIDDEN)), (p + "mlp.gate_proj.weight", (INTERMEDIATE, HIDDEN)),
                   (p + "mlp.up_proj.weight", (INTERMEDIATE, HIDDEN)), (p + "mlp.down_proj.weight", (HIDDEN, INTERMEDIATE))]
    return shapes


def head_shapes():
    shapes = [("condition.query", (4, 64))]
    for name, out, inner in (("condition.key", 64, HIDDEN), ("condition.value", 64, HIDDEN), ("condition.out", 256, 264 + HIDDEN),
                             ("denoiser.0", 256, 387), ("denoiser.2", 512, 256), ("denoiser.4", 256, 512), ("denoiser.6", 3, 256)):
        shapes += [(name + ".weight", (out, inner)), (name + ".bias", (out,))]
    return shapes + [("condition.norm.weight", (256,)), ("condition.norm.bias", (256,))]


def weights(shapes, seed, first_sample):
    """Tensor i of the list draws from sample first_sample + i. Rounded to float16, as weights are stored."""
    made = {}
    for i, (name, shape) in enumerate(shapes):
        n = Philox(seed, TEST, first_sample + i).normals(int(np.prod(shape, dtype=int)) if shape else 1)
        if name == "projector.scale":
            n = 0.3 + 0 * n
        elif name == "model.norm.weight":  # logits far enough apart for a search to have an order
            n = 2 + 0.2 * n
        elif "norm" in name and name.endswith(".weight"):
            n = 1 + 0.1 * n
        elif name.endswith(".bias"):
            n = 0.1 * n
        elif len(shape) == 2 and name in ("model.embed_tokens.weight", "projector.position", "projector.flag.weight", "condition.query"):
            n = 0.25 * n
        else:
            n = (2 if name.startswith("model.") else 1) * n / np.sqrt(np.prod(shape[1:]))
        made[name] = n.astype(np.float32).astype(np.float16).reshape(shape)
    return made


def make_tokenizer(path):
    """Qwen2's form of a tokenizer, with the merges of one sentence; done once, the file is committed."""
    from tokenizers import AddedToken, Regex, Tokenizer, decoders, models, normalizers, pre_tokenizers, trainers

    split = r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+"
    t = Tokenizer(models.BPE())
    t.normalizer = normalizers.NFC()
    t.pre_tokenizer = pre_tokenizers.Sequence([
        pre_tokenizers.Split(Regex(split), behavior="isolated", invert=False),
        pre_tokenizers.ByteLevel(add_prefix_space=False, trim_offsets=False, use_regex=False)])
    t.decoder = decoders.ByteLevel(add_prefix_space=False, trim_offsets=False, use_regex=False)
    t.train_from_iterator(["describe what changed between the two images, and where the change is"] * 3,
                          trainers.BpeTrainer(vocab_size=300, min_frequency=2, show_progress=False,
                                              initial_alphabet=pre_tokenizers.ByteLevel.alphabet()))
    names = ["<|endoftext|>", "<|im_start|>", "<|im_end|>", "<|vision_start|>", "<|vision_end|>", "<|image_pad|>"]
    t.add_special_tokens([AddedToken(n, special=True, normalized=False) for n in names])
    t.save(str(path), pretty=False)


def make_random_nano(folder, vision, tokenizer, seed):
    folder.mkdir(parents=True, exist_ok=True)
    if not tokenizer.exists():
        make_tokenizer(tokenizer)
    model = json.loads(tokenizer.read_text())
    size = max([*model["model"]["vocab"].values(), *(t["id"] for t in model["added_tokens"])]) + 1
    language = folder / "language"
    language.mkdir(exist_ok=True)
    shutil.copyfile(tokenizer, language / "tokenizer.json")
    save_file(weights(language_shapes(size + UNUSED_IDS), seed, 0), language / "model.safetensors", {"format": "pt"})
    save_file(weights(fusion_shapes(), seed, 1000), folder / "fusion.safetensors")
    save_file(weights(head_shapes(), seed, 2000), folder / "head.safetensors")
    end = next(t["id"] for t in model["added_tokens"] if t["content"] == "<|im_end|>")
    (language / "config.json").write_text(json.dumps({
        "architectures": ["Qwen2ForCausalLM"], "model_type": "qwen2", "hidden_size": HIDDEN, "num_hidden_layers": LAYERS,
        "num_attention_heads": HEADS, "num_key_value_heads": KV_HEADS, "intermediate_size": INTERMEDIATE, "hidden_act": "silu",
        "vocab_size": size + UNUSED_IDS, "rope_theta": 10000.0, "rms_norm_eps": 1e-6, "tie_word_embeddings": True,
        "max_position_embeddings": 256, "eos_token_id": end, "torch_dtype": "float16"}, indent=2))
    files = {p.relative_to(folder).as_posix(): hashlib.sha256(p.read_bytes()).hexdigest() for p in sorted(folder.rglob("*"))
             if p.is_file() and p.name != "changepilot.json"}
    (folder / "changepilot.json").write_text(json.dumps({
        "version": 1, "name": "random", "vision": {"path": str(vision), "kind": "efficientnet_lite"}, "language": {"path": "language"},
        "fusion": {"kind": "patch", "file": "fusion.safetensors", "strides": [32, 16, 8], "width": 64, "map_size": 64, "grid": 4,
                   "token_strides": [32, 16], "concepts": ["a", "b", "c", "d", "e"]},
        "template": "plain", "default_instruction": {"en": "describe what changed"},
        "no_change_caption": {"en": "the scene is the same", "zh": "场景与之前相同"},
        "flag": {"threshold": -100.0, "bias": 0.5, "temperature": 2.0},
        "decoding": {"beams": 3, "length_penalty": 0.7, "max_new_tokens": 12},
        "head": {"kind": "diffusion", "file": "head.safetensors", "condition": "visual_attention", "schedule": "linear",
                 "train_steps": 1000, "sampler": "dpmpp_2m", "steps": 10, "spacing": "quadratic", "samples": 64, "snap_sigma": 0.3,
                 "target": "largest"},
        "region": {"level": 0.9, "threshold": 0.8, "n": 100, "method": "split_conformal"}, "files": files, "training": {}},
        indent=2, ensure_ascii=False))
