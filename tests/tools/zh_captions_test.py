"""data/levir-mini-zh holds what its README says: every pair once, two captions or more, nothing but Chinese."""

import collections
import json
import pathlib
import re
import unittest

FOLDER = pathlib.Path(__file__).resolve().parents[2] / "data" / "levir-mini-zh"
SENTENCE = re.compile(r"[\u4e00-\u9fff，、]+。")


def faults(pairs):
    found = []
    names = collections.Counter((p["split"], p["name"]) for p in pairs)
    found += [f"{key} stands {n} times" for key, n in names.items() if n > 1]
    for p in pairs:
        captions = p["captions"]
        if p["split"] not in ("train", "val") or not re.fullmatch(r"\w+\.png", p["name"]):
            found.append(f"{p['name']}: split or name")
        if not 2 <= len(captions) <= 3 or len(set(captions)) != len(captions):
            found.append(f"{p['name']}: {len(captions)} captions, or one twice")
        found += [f"{p['name']}: {c}" for c in captions if not (8 <= len(c) <= 30 and SENTENCE.fullmatch(c))]
    return found


def read():
    with open(FOLDER / "captions.jsonl", encoding="utf-8") as file:
        return [json.loads(line) for line in file]


class ChineseCaptions(unittest.TestCase):
    def test_every_pair_once_and_in_chinese(self):
        pairs = read()
        self.assertEqual(collections.Counter(p["split"] for p in pairs), {"train": 329, "val": 51})
        self.assertEqual(faults(pairs), [])

    def test_planted_faults_are_found(self):
        good = read()[0]
        for change in ({"captions": good["captions"][:1]}, {"captions": ["a house is built。", "新建了许多房屋和道路。"]},
                       {"captions": good["captions"][:1] * 2}, {"name": "../x.png"}, {"split": "test"}):
            self.assertNotEqual(faults([good | change]), [], change)
        self.assertNotEqual(faults([good, good]), [])

    def test_instructions_and_unchanged_sentences(self):
        text = json.loads((FOLDER / "instructions.json").read_text(encoding="utf-8"))
        self.assertEqual((len(set(text["zh"])), len(set(text["en"]))), (12, 12))
        self.assertTrue(text["cot_zh"] and text["cot_en"])
        lines = (FOLDER / "unchanged.txt").read_text(encoding="utf-8").split()
        self.assertEqual(len(set(lines)), 5)
        self.assertTrue(all(SENTENCE.fullmatch(line) for line in lines), lines)


if __name__ == "__main__":
    unittest.main()
