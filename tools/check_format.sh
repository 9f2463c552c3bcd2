#!/usr/bin/env bash
# Every tracked C++ file is formatted as .clang-format says. Mend with: tools/check_format.sh --fix
set -euo pipefail
cd "$(dirname "$0")/.."
mapfile -t files < <(git ls-files '*.h' '*.cpp' '*.cu')
[[ ${#files[@]} -gt 0 ]] || { echo "check_format: no files found" >&2; exit 1; }
if [[ "${1:-}" == --fix ]]; then
  clang-format-14 -i "${files[@]}"
else
  clang-format-14 --dry-run -Werror "${files[@]}"
fi
echo "check_format: ${#files[@]} files"
