#!/usr/bin/env bash
# The demo: makes a synthetic scene pair, answers on it with models/nano, writes demo/overlay.png.
set -euo pipefail
cd "$(dirname "$0")/.."

readonly program=build/runtime/changepilot scene=demo/scene
readonly pair=train_000001.png  # the first pair is a changed one, with the same bytes on every machine

if [[ ! -f $scene/LevirCCcaptions.json ]]; then
  rm -rf "$scene"
  "$program" synth --out "$scene" --pairs 8 --seed 7
fi
if [[ ! -f models/nano/changepilot.json && -z "${CHANGEPILOT_MODEL:-}" ]]; then
  echo "demo: models/nano is not complete; configs/nano.yaml says how it is trained" >&2
  exit 4
fi
echo "\$ changepilot infer --image-before $scene/images/train/A/$pair --image-after $scene/images/train/B/$pair --out demo/overlay.png"
"$program" infer --image-before "$scene/images/train/A/$pair" --image-after "$scene/images/train/B/$pair" --out demo/overlay.png
