"""What Pillow reads from the GIF files of tests/golden/image/gif.

Run the test Gif.PillowReadsTheFramesBack first: it leaves its files in build/*/gif, which are copied here when given.
    python tests/oracle/image_gif.py [build/dev/gif]
"""

import hashlib
import json
import pathlib
import shutil
import sys

from PIL import Image, ImageSequence

GOLDEN = pathlib.Path(__file__).resolve().parents[1] / "golden" / "image"


def gradient(x, y, f):
    return (2 * x, 3 * y, (x + y + 10 * f) % 256)


def main():
    folder = GOLDEN / "gif"
    folder.mkdir(exist_ok=True)
    if len(sys.argv) > 1:
        for path in pathlib.Path(sys.argv[1]).glob("*.gif"):
            shutil.copy(path, folder / path.name)
    out = {}
    for path in sorted(folder.glob("*.gif")):
        with Image.open(path) as image:
            frames = []
            error = 0
            for number, frame in enumerate(ImageSequence.Iterator(image)):
                rgb = frame.convert("RGB")
                pixels = rgb.tobytes()
                frames.append({"ms": frame.info["duration"], "pixels": hashlib.sha256(pixels).hexdigest()[:16]})
                if path.stem == "gradient":
                    wanted = [v for y in range(rgb.height) for x in range(rgb.width) for v in gradient(x, y, number)]
                    error += sum(abs(a - b) for a, b in zip(pixels, wanted)) / len(wanted)
            out[path.stem] = {"size": list(image.size), "frames": frames}
            if error:
                out[path.stem]["mean_error"] = round(error / len(frames), 4)
    (GOLDEN / "gif.json").write_text(json.dumps(out, indent=1) + "\n")


if __name__ == "__main__":
    main()
