"""Golden prompts of src/text/chat_template from transformers' apply_chat_template (Jinja).

In:  the published chat templates, each checked by SHA-256 and not committed here:
     --qwen FILE    tokenizer_config.json or chat_template.jinja of Qwen/Qwen2.5-0.5B-Instruct
     --smollm FILE  the same of HuggingFaceTB/SmolLM2-135M-Instruct, or of the folder that smollm2_convert.py writes
     and the small vocabularies of tests/golden/text (text_golden.py).
Out: tests/golden/text/chat.json; or, with --full FILE, the same for the tokenizer.json that stands beside each template named
     (one of them is enough), which test_text reads when CP_CHAT_CASES names FILE.
Not here: any code of src/text.

    python tests/oracle/chat_golden.py --qwen .../tokenizer_config.json --smollm .../tokenizer_config.json
"""

import argparse
import hashlib
import json
import pathlib
import random

from tokenizers import Tokenizer
from transformers import PreTrainedTokenizerFast

GOLDEN = pathlib.Path(__file__).parent.parent / "golden" / "text"
HASHES = {"qwen2.5": "cd8e9439f0570856fd70470bf8889ebd8b5d1107207f67a5efb46e342330527f",
          "smollm2": "872be49dbb638044ad01b60388f48d469ff2980e5f0dccdc22ec907db54d0788"}
VISION = ["<|vision_start|>", "<|vision_end|>", "<|image_pad|>"]

SYSTEMS = ["", "", "You describe aerial images.", "Answer in one sentence.\nName places by the compass.", "\n\n indented", "2024: 17 houses",
           "Du beschreibst Luftbilder, größer als nötig.", "你是一名遥感专家。"]
INSTRUCTIONS = ["what changed?", "describe what changed between the two images and point at the change", " leading blank", "trailing blank  ",
                "\n\nnew lines\n", "    if x:\n        y", "in 2024 there were 12345 cars", "don't you're WE'LL", "描述两幅图像之间的变化", "что изменилось?",
                "où est la nouvelle école ?", "मकान", "👩‍🚀 flies 🚁", "e\u0301t\u00e9", "...", "a", "\ttab", "<b>bold</b> & {{ braces }} {% raw %}", "'s"]


def template(path, name):
    text = path.read_text(encoding="utf-8")
    if path.suffix == ".json":
        text = json.loads(text)["chat_template"]
    found = hashlib.sha256(text.encode()).hexdigest()
    if found != HASHES[name]:
        raise SystemExit(f"{path}: wanted {name}'s template (sha256 {HASHES[name]}), found {found}")
    return text


def cases(name, text, tokenizer, count):
    rng = random.Random(7)
    own = PreTrainedTokenizerFast(tokenizer_object=tokenizer, chat_template=text)
    vision = "<|image_pad|>" in {token.content for token in tokenizer.get_added_tokens_decoder().values()}
    out = []
    for i in range(count):
        system, instruction, visual = rng.choice(SYSTEMS), rng.choice(INSTRUCTIONS), rng.choice([1, 1, 2, 18, 51])
        if i < len(INSTRUCTIONS):
            instruction = INSTRUCTIONS[i]
        pictures = VISION[0] + VISION[2] * visual + VISION[1] if vision else "<|endoftext|>" * visual
        messages = [{"role": "system", "content": system}] if system else []
        messages.append({"role": "user", "content": pictures + instruction})
        ids = own.apply_chat_template(messages, add_generation_prompt=True, return_dict=True)["input_ids"]
        answer = own.encode(instruction, add_special_tokens=False)
        out.append({"template": name, "system": system, "instruction": instruction, "visual": visual, "ids": ids, "answer": answer})
    return out


def small(kind):
    if kind == "qwen2.5":
        return json.loads((GOLDEN / "tokenizer.json").read_text(encoding="utf-8"))
    parts = json.loads((GOLDEN / "kinds.json").read_text(encoding="utf-8"))["digits_gpt2"]["tokenizer"]
    parts["added_tokens"] = [token for token in parts["added_tokens"] if token["content"] not in VISION]
    return parts


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--qwen", type=pathlib.Path)
    parser.add_argument("--smollm", type=pathlib.Path)
    parser.add_argument("--full", type=pathlib.Path, metavar="FILE")
    arguments = parser.parse_args()
    named = {name: path for name, path in (("qwen2.5", arguments.qwen), ("smollm2", arguments.smollm)) if path}
    if not named or len(named) < 2 and not arguments.full:
        parser.error("name --qwen and --smollm (with --full, one of them)")
    out, target = {}, arguments.full or GOLDEN / "chat.json"
    for name, path in named.items():
        text = template(path, name)
        if arguments.full:
            tokenizer = path.parent / "tokenizer.json"
            out[name] = {"tokenizer": str(tokenizer.resolve()), "cases": cases(name, text, Tokenizer.from_file(str(tokenizer)), 200)}
        else:
            out[name] = {"cases": cases(name, text, Tokenizer.from_str(json.dumps(small(name))), 24)}
    target.write_text(json.dumps(out, ensure_ascii=False, separators=(",", ":")) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
