#!/usr/bin/env python3
"""Includes under src/ point up the list of folders in docs/architecture.md, never down; LibTorch stays inside learn/.

Usage: tools/check_module_order.py [ROOT]     prints each fault as file:line, exits with 1 when there is one.
"""

import pathlib
import re
import sys

TABLE_ROW = re.compile(r"^\| `(\w+)/` \|", re.MULTILINE)
INCLUDE = re.compile(r'^\s*#\s*include\s*([<"])([^>"]+)[>"]')
TORCH = re.compile(r"^(torch|ATen|c10)/")
# The program that links learn/; cp_cli itself must not, or `changepilot` would load LibTorch.
LEARN_PROGRAM = "cli/main/"


def faults(root):
    """Yields "file:line: what" for each wrong include."""
    order = TABLE_ROW.findall((root / "docs/architecture.md").read_text(encoding="utf-8"))
    if len(order) < 2:
        yield "docs/architecture.md: the table of folders is not found"
    src = root / "src"
    for folder in sorted(p.name for p in src.iterdir() if p.is_dir()):
        if folder not in order:
            yield f"src/{folder}: is not in the table of docs/architecture.md"
    for path in sorted(src.rglob("*")):
        if path.suffix not in (".h", ".cpp", ".cu", ".cuh"):
            continue
        name = path.relative_to(src).as_posix()
        module = name.split("/")[0]
        for number, line in enumerate(path.read_text(encoding="utf-8").splitlines(), 1):
            found = INCLUDE.match(line)
            if found:
                what = fault_of(module, name, found[1], found[2], order, src)
                if what:
                    yield f"src/{name}:{number}: {what}"


def fault_of(module, name, bracket, included, order, src):
    if TORCH.match(included):
        return None if module == "learn" else f"includes LibTorch's {included}; only learn/ may"
    if bracket == "<":
        return None
    target = included.split("/")[0]
    if not (src / included).is_file():
        return f'"{included}" is not under src/; own headers are included as "module/file.h"'
    if module not in order or target not in order:
        return None  # said once, for the folder
    if order.index(target) > order.index(module):
        return f"{module}/ includes {included}, but {target}/ stands below it in docs/architecture.md"
    if target == "learn" and module != "learn" and not name.startswith(LEARN_PROGRAM):
        return f"includes {included}; outside learn/ only src/{LEARN_PROGRAM} may"
    return None


def main(arguments):
    root = pathlib.Path(arguments[0] if arguments else pathlib.Path(__file__).resolve().parents[1])
    found = list(faults(root))
    print("\n".join(found) if found else "check_module_order: every include points up")
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
