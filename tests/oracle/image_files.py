"""What Pillow makes of every file of the research data's image-files folder.

Writes tests/golden/image/image_files.json: {"versions": {...}, "files": {relative path: [width, height, first 16 digits of the sha256 of the RGB
pixels] or "refused"}}. Decoders that stay silent about damage are kept as Pillow answers; the C++ test lists differences.

    python tests/oracle/image_files.py ../shared/data/image-files
"""

import hashlib
import json
import pathlib
import sys
import warnings

import PIL
from PIL import Image, ImageOps, features

HERE = pathlib.Path(__file__).resolve().parent


def rgb_of(path):
    """(size, sha256) of the RGB pixels after the EXIF orientation, or "refused"."""
    try:
        with Image.open(path) as opened:
            image = ImageOps.exif_transpose(opened).convert("RGB")
    except Exception:  # whatever Pillow raises means that it refuses the file
        return "refused"
    return [image.width, image.height, hashlib.sha256(image.tobytes()).hexdigest()[:16]]


def main():
    warnings.simplefilter("ignore")
    root = pathlib.Path(sys.argv[1])
    paths = sorted(p for p in root.rglob("*") if p.is_file())
    result = {
        "versions": {"pillow": PIL.__version__, "libjpeg_turbo": features.version("libjpeg_turbo"),
                     "libtiff": features.version("libtiff")},
        "files": {p.relative_to(root).as_posix(): rgb_of(p) for p in paths},
    }
    out = HERE.parent / "golden" / "image" / "image_files.json"
    out.parent.mkdir(parents=True, exist_ok=True)
    out.write_text(json.dumps(result, indent=0) + "\n")
    print(len(paths), "files,", sum(v == "refused" for v in result["files"].values()), "refused")


main()
