#!/usr/bin/env python3
"""CLIP's vision side by transformers: configurations, features, prepared pixels.

In:  nothing, for the golden values; a CLIP folder, for the check at full size; a name, for a random full-size folder.
Out: tests/golden/formats/clip_configs.json   what CLIPConfig and CLIPVisionConfig make of config.json variants
     tests/golden/runtime/clip.json           small random models (weights by Philox, drawn again by the tests) in float64
     tests/golden/runtime/clip_pixels.json    hashes of CLIPImageProcessorPil's tensors
     FILE.safetensors                         pixel_values (B 3 S S), pooled (B P), patches (B G*G W) of a folder
Not here: any code of this repository; the random numbers of core/rng.h are written again in nano_random.py.

    clip_transformers.py --golden tests/golden
    clip_transformers.py --random l14 /tmp/clip-l14
    clip_transformers.py --features /tmp/clip-l14 /tmp/clip-l14.golden.safetensors
    CP_CLIP_DIR=/tmp/clip-l14 CP_CLIP_GOLDEN=/tmp/clip-l14.golden.safetensors test_runtime --gtest_filter='ClipVit.*FullSize*'
"""
import argparse
import copy
import hashlib
import json
import pathlib
import time

import numpy as np
import torch
from PIL import Image
from safetensors.torch import save_file
from transformers import CLIPConfig, CLIPModel, CLIPVisionConfig, CLIPVisionModelWithProjection
from transformers.models.clip.image_processing_pil_clip import CLIPImageProcessorPil

from nano_random import TEST, Philox

SEED = 21
TEXT = dict(hidden_size=8, intermediate_size=8, num_hidden_layers=1, num_attention_heads=2, vocab_size=12, max_position_embeddings=6)
B32 = dict(hidden_size=768, intermediate_size=3072, num_hidden_layers=12, num_attention_heads=12, image_size=224, patch_size=32,
           projection_dim=512)
FULL_SIZE = {"b32": B32, "b16": dict(B32, patch_size=16),
             "l14": dict(B32, hidden_size=1024, intermediate_size=4096, num_hidden_layers=24, num_attention_heads=16, patch_size=14,
                         projection_dim=768)}


def tiny(**changes):
    return dict(dict(hidden_size=32, intermediate_size=48, num_hidden_layers=2, num_attention_heads=4, image_size=64, patch_size=32,
                     projection_dim=16), **changes)


# Shapes like B/32, B/16, L/14 and L/14-336; then odd sizes, an image that the patches do not divide, another eps.
MODELS = {
    "b32": {"model_type": "clip", "architectures": ["CLIPModel"], "projection_dim": 16, "text_config": TEXT, "vision_config": tiny()},
    "b16": {"model_type": "clip_vision_model", "architectures": ["CLIPVisionModelWithProjection"],
            **tiny(image_size=48, patch_size=16, projection_dim=24)},
    "l14": {"model_type": "clip", "projection_dim": 40, "text_config": TEXT, "text_config_dict": None, "vision_config": {},
            "vision_config_dict": tiny(hidden_size=48, num_attention_heads=3, num_hidden_layers=3, image_size=56, patch_size=14)},
    "l14_gelu": {"model_type": "clip_vision_model", "hidden_act": "gelu",
                 **tiny(hidden_size=48, num_attention_heads=3, image_size=70, patch_size=14, projection_dim=20)},
    "odd": {"model_type": "clip_vision_model", "layer_norm_eps": 0.01,
            **tiny(hidden_size=30, intermediate_size=37, num_attention_heads=3, image_size=30, patch_size=7, projection_dim=11)},
}


def build(config):
    """The model that transformers makes of a config.json."""
    if config["model_type"] == "clip":
        return CLIPModel(CLIPConfig(**copy.deepcopy(config))).eval()
    return CLIPVisionModelWithProjection(CLIPVisionConfig(**config)).eval()


def random_tensor(name, shape, sample):
    """tests/runtime/random_clip.h draws the same. Rounded to float16, so that every dtype but bfloat16 holds it exactly."""
    n = Philox(SEED, TEST, sample).normals(int(np.prod(shape, dtype=int)))
    if name.endswith(".bias"):
        n = 0.1 * n
    elif "norm" in name and name.endswith(".weight"):
        n = 1 + 0.1 * n
    elif name.endswith("class_embedding") or name.endswith("position_embedding.weight"):
        n = 0.5 * n
    else:
        n = 2 * n / np.sqrt(np.prod(shape[1:]))
    return torch.from_numpy(n.astype(np.float32).astype(np.float16).reshape(shape).astype(np.float64))


def features(model, pixels):
    seen = model.vision_model(pixel_values=pixels)
    return model.visual_projection(seen.pooler_output), seen.last_hidden_state[:, 1:]


def short(tensor):
    return [float(f"{v:.8g}") for v in tensor.reshape(-1).tolist()]


def golden_models():
    cases = {}
    for index, (name, config) in enumerate(MODELS.items()):
        model = build(config).double()
        shapes = [(key, list(value.shape)) for key, value in model.state_dict().items()]
        model.load_state_dict({key: random_tensor(key, shape, i) for i, (key, shape) in enumerate(shapes)})
        side = model.vision_model.config.image_size
        pixels = torch.from_numpy(Philox(100 + index, TEST).normals(3 * side * side).astype(np.float32).astype(np.float64))
        pixels = pixels.reshape(1, 3, side, side)
        pooled, patches = features(model, pixels)
        cases[name] = {"config": config, "tensors": shapes, "pixel_seed": 100 + index, "pooled": short(pooled),
                       "patches_shape": list(patches.shape[1:]), "patches": short(patches)}
        if name == "b16":  # what wrong networks would give
            post = model.vision_model.post_layernorm(patches)
            model.vision_model.pre_layrnorm = torch.nn.Identity()
            cases[name]["wrong"] = {"post_layernorm_on_patches": short(post), "no_pre_layrnorm": short(features(model, pixels)[1])}
    return cases


def golden_configs():
    dumped = CLIPConfig().to_dict()  # every key that transformers 5 writes
    flat = CLIPVisionConfig(**FULL_SIZE["l14"]).to_dict()
    big, partial = FULL_SIZE["l14"], {"hidden_size": 1024, "num_attention_heads": 16, "patch_size": 14, "projection_dim": 768}
    variants = {
        "defaults of CLIPModel": {"model_type": "clip"},
        "defaults of CLIPVisionModelWithProjection": {"model_type": "clip_vision_model"},
        "all keys, nested": dumped,
        "all keys, flat": flat,
        "openai's L/14": {"model_type": "clip", "projection_dim": 768, "vision_config": big, "vision_config_dict": partial},
        "vision_config_dict is null": {"model_type": "clip", "projection_dim": 768, "vision_config": big, "vision_config_dict": None},
        "vision_config_dict wins, absent keys too": {"model_type": "clip", "projection_dim": 768, "vision_config_dict": partial,
                                                     "vision_config": dict(big, hidden_act="gelu", layer_norm_eps=1e-3)},
        "gelu at 336": {"model_type": "clip", "projection_dim": 768, "vision_config": dict(big, hidden_act="gelu", image_size=336)},
    }
    out = []
    for name, config in variants.items():
        if config["model_type"] == "clip":
            whole = CLIPConfig(**copy.deepcopy(config))
            vision, projection = whole.vision_config, whole.projection_dim
        else:
            vision = CLIPVisionConfig(**config)
            projection = vision.projection_dim
        want = {key: getattr(vision, key) for key in FULL_SIZE["b32"]} | {"projection_dim": projection}
        out.append({"name": name, "config": config, "want": want | {"hidden_act": vision.hidden_act, "layer_norm_eps": vision.layer_norm_eps}})
    return out


def picture(width, height):
    """tests/runtime/clip_pixels_test.cpp paints the same: ramps, a product that aliases, and hard edges."""
    y, x, c = np.mgrid[0:height, 0:width, 0:3]
    return (x * 7 + y * 13 + c * 31 + (x * y) % 251 + (x // 9 + y // 5) % 2 * 90).astype(np.uint8)


def golden_pixels():
    openai = {"crop_size": 224, "do_center_crop": True, "do_normalize": True, "do_resize": True, "resample": 3, "size": 224,
              "feature_extractor_type": "CLIPFeatureExtractor", "image_mean": [0.48145466, 0.4578275, 0.40821073],
              "image_std": [0.26862954, 0.26130258, 0.27577711]}
    square = dict(openai, size={"height": 96, "width": 96}, crop_size={"height": 96, "width": 96}, resample=2)
    configs = {
        "openai, 2021": openai,
        "transformers 4": dict(openai, size={"shortest_edge": 224}, crop_size={"height": 224, "width": 224}, do_rescale=True,
                               rescale_factor=0.00392156862745098, do_convert_rgb=True, image_processor_type="CLIPImageProcessor"),
        "transformers 5": json.loads(CLIPImageProcessorPil().to_json_string()),
        "names the processor alone": {"image_processor_type": "CLIPImageProcessorFast", "do_pad": None},
        "a square, bilinear": square,
        "a number for a square": dict(square, size=96, default_to_square=True),
        "small, Lanczos, other constants": dict(openai, size=63, crop_size={"height": 63, "width": 63}, resample=1, rescale_factor=0.004,
                                                image_mean=[0.5, 0.25, 0.125], image_std=[0.5, 1, 2]),
    }
    # (w h): square, wide, tall, cropped by an odd remainder (640 x 427 and 300 x 401 lose 111 and 75), upscaled, extreme, one pixel
    sizes = [(224, 224), (256, 256), (640, 427), (333, 500), (300, 401), (401, 300), (60, 41), (17, 90), (1024, 768), (1200, 97), (1, 1)]
    out = {"sizes": sizes, "configs": []}
    for name, config in configs.items():
        processor = CLIPImageProcessorPil.from_dict({k: v for k, v in config.items() if not k.endswith("_type")})
        hashes = []
        for width, height in sizes:
            values = processor(Image.fromarray(picture(width, height)), return_tensors="np")["pixel_values"]
            assert values.dtype == np.float32
            hashes.append(hashlib.sha256(np.ascontiguousarray(values).tobytes()).hexdigest()[:16])
        out["configs"].append({"name": name, "config": config, "hashes": hashes})
    return out


def write_json(path, value):
    path.write_text(json.dumps(value, separators=(",", ":")).replace('],"', '],\n"') + "\n")
    print(path, path.stat().st_size, "bytes")


def random_folder(name, folder):
    """A full-size folder as transformers writes it, in shards. N(0, 0.04), norms 1 + N(0, 0.1)."""
    torch.manual_seed(SEED)
    model = CLIPVisionModelWithProjection(CLIPVisionConfig(**FULL_SIZE[name]))
    with torch.no_grad():
        for key, value in model.named_parameters():
            norm = "norm" in key and key.endswith(".weight")
            value.copy_(1 + 0.1 * torch.randn(value.shape) if norm else 0.04 * torch.randn(value.shape))
    model.save_pretrained(folder, max_shard_size="400MB")
    CLIPImageProcessorPil().save_pretrained(folder)


def full_features(folder, out):
    """Of two pictures, in float64; the time is that of float32."""
    model = CLIPVisionModelWithProjection.from_pretrained(folder, local_files_only=True, dtype=torch.float32).eval()
    side = model.config.image_size
    processor = CLIPImageProcessorPil(size={"shortest_edge": side}, crop_size={"height": side, "width": side})
    pictures = [Image.fromarray(picture(640, 427)), Image.fromarray(picture(300, 401))]
    pixels = processor(pictures, return_tensors="pt")["pixel_values"]
    times = []
    for count in (1, 2):
        features(model, pixels[:count])
        begin = time.perf_counter()
        for _ in range(3):
            single = features(model, pixels[:count])
        times.append((time.perf_counter() - begin) / 3)
    pooled, patches = features(model.double(), pixels.double())
    differences = [((a - b).abs().max() / b.abs().max()).item() for a, b in zip(single, (pooled, patches))]
    save_file({"pixel_values": pixels, "pooled": pooled.float().contiguous(), "patches": patches.float().contiguous()}, out)
    print(f"transformers, float32, {torch.get_num_threads()} threads: {times[0]:.3f} s one image, {times[1]:.3f} s two; "
          f"float32 against float64, relative: pooled {differences[0]:.2e}, patches {differences[1]:.2e}")


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--golden", type=pathlib.Path)
    parser.add_argument("--random", nargs=2, metavar=("NAME", "FOLDER"))
    parser.add_argument("--features", nargs=2, metavar=("FOLDER", "FILE"))
    args = parser.parse_args()
    with torch.inference_mode():
        if args.golden:
            write_json(args.golden / "formats/clip_configs.json", golden_configs())
            write_json(args.golden / "runtime/clip.json", golden_models())
            write_json(args.golden / "runtime/clip_pixels.json", golden_pixels())
        if args.random:
            random_folder(*args.random)
        if args.features:
            full_features(*args.features)


if __name__ == "__main__":
    main()
