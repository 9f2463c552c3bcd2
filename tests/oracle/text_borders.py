"""Borders that tokenizers got wrong elsewhere (docs/failures.md): a control token right behind a sign or before a word, and
runs of blanks before a word or at a line's begin; by the `tokenizers` library.

In:  tests/golden/text/kinds.json (text_golden.py), for its four vocabularies. Out: tests/golden/text/borders.json: the texts,
and for every kind their ids with control tokens recognised.
Not here: any code of src/text.

    python tests/oracle/text_borders.py
"""

import json
import pathlib

from tokenizers import Tokenizer

GOLDEN = pathlib.Path(__file__).parent.parent / "golden" / "text"


def texts():
    found = []
    for before in ("house.", "house!", "house?", "house,", "(house)", "house...", "房屋。", "house's", "12", "house ", "house  ", "\n",
                   ".\n", "<", "|>", "<|"):
        for token in ("<|im_end|>", "<|endoftext|>"):
            for after in ("", "road", " road", "\n<|im_start|>"):
                found.append(before + token + after)
    for run in (" ", "  ", "   ", "    ", "        ", "\t", "\t\t", " \t", "\t ", "\u00a0", "\u3000 ", "\n\n  ", "\r\n    ", " \n "):
        found += [run + "road", "a" + run + "road", "a:" + run + "road\n" + run + "road", "." + run + "12", run + ".", "a" + run]
    return found


def main():
    golden = {"texts": texts(), "ids": {}}
    for kind, cases in json.loads((GOLDEN / "kinds.json").read_text(encoding="utf-8")).items():
        tokenizer = Tokenizer.from_str(json.dumps(cases["tokenizer"]))
        golden["ids"][kind] = [tokenizer.encode(text, add_special_tokens=False).ids for text in golden["texts"]]
    with open(GOLDEN / "borders.json", "w", encoding="utf-8", newline="\n") as file:
        json.dump(golden, file, ensure_ascii=False, separators=(",", ":"))
        file.write("\n")


if __name__ == "__main__":
    main()
