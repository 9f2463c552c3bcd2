"""Do ChangePilot, transformers and llama.cpp continue texts alike from the same real weights? SmolLM2-135M-Instruct, greedy.

In:  FOLDER of smollm2_convert.py --dtype float32, and the GGUF file that it was made from (Q4_1 layers, Q8_0 embedding).
Out: one JSON line for each engine; --golden FILE: prompts, continuations and logits of transformers for the gtests
     (LanguageParity and LanguageNet, "ContinuesTexts..."). Exit status 1 when an engine that computes in float32 differs.
Not here: any code of src/; ChangePilot is run as a program.

    OMP_NUM_THREADS=1 python tests/oracle/smollm2_continue.py FOLDER --program build/release/changepilot --work TEMPORARY --golden FILE
    CP_SMOLLM2_DIR=FOLDER CP_SMOLLM2_GOLDEN=FILE build/release/test_runtime --gtest_filter='*ContinuesTexts*'

transformers in float32 is the reference. Each of the others is asked twice: for its own greedy continuation, and, so that one near-tie
does not hide what follows, for its logits along the reference's continuation ("forced"). llama.cpp reads two files: the GGUF as it is,
whose products round activations to 8 bits as well (Q8_1), and the same with every tensor dequantised to F32, where it computes in
float32 (its cache too, by the settings below). llama.cpp is left out where llama-cpp-python is not installed, and says so.
"""

import argparse
import ctypes
import json
import pathlib
import subprocess
import sys

import gguf
import numpy as np
import torch
from safetensors.numpy import load_file, save_file
from transformers import AutoModelForCausalLM, PreTrainedTokenizerFast

from smollm2_convert import packaged_gguf

PLAIN = [
    "The capital of France is",
    "Once upon a time, in a small village by the sea, there lived",
    "Water boils at 100 degrees Celsius because",
    "def fibonacci(n):\n    if n < 2:\n        return n\n",
    "In 1969, 3 astronauts flew 384400 km to the Moon.",
    "A new road was built between the two villages, and",
    "The forest in the upper left corner has been replaced by",
    "Dear Sir or Madam,\n\nI am writing to",
    "List of fruits:\n- apples\n- pears\n-",
    "\"Don't you think we'll be late?\" she asked.",
    "   Leading blanks, tabs\tand  double  spaces are",
    "The café's menu (in €) — naïve, piñata, 東京 — reads:",
]
CHAT = [  # system text ("": the template's own), what the user says
    ("", "What is the capital of France?"),
    ("", "Describe in one sentence how a village changes when a road is built."),
    ("You describe aerial images in one sentence.", "The first image shows a field, the second shows ten houses. What changed?"),
    ("", "Write a haiku about rivers."),
    ("You are a pilot.", "Should the drone fly to the left or to the right?"),
    ("", "What is 17 + 25?"),
    ("Answer briefly.", "Why do trees lose their leaves in autumn?"),
    ("", "Name three colours,\nthen three animals."),
]


def dequantised(source, target):
    """`source` with the same metadata and every tensor as F32."""
    reader = gguf.GGUFReader(source)
    writer = gguf.GGUFWriter(target, reader.fields["general.architecture"].contents())
    for key, field in reader.fields.items():
        if not key.startswith("GGUF.") and key not in ("general.architecture", "general.file_type"):
            writer.add_key_value(key, field.contents(), field.types[0], field.types[-1] if field.types[0] == gguf.GGUFValueType.ARRAY else None)
    writer.add_file_type(gguf.LlamaFileType.ALL_F32)
    for tensor in reader.tensors:
        writer.add_tensor(tensor.name, np.ascontiguousarray(gguf.dequantize(tensor.data, tensor.tensor_type), np.float32))
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()


class Transformers:
    def __init__(self, folder):
        settings = json.loads((folder / "tokenizer_config.json").read_text(encoding="utf-8"))
        self.tokenizer = PreTrainedTokenizerFast(tokenizer_file=str(folder / "tokenizer.json"), chat_template=settings["chat_template"])
        self.model = AutoModelForCausalLM.from_pretrained(folder, dtype=torch.float32).eval()

    def prompts(self):
        """(text, whether its control tokens are meant, ids)"""
        out = [(text, False, self.tokenizer.encode(text, add_special_tokens=False)) for text in PLAIN]
        for system, user in CHAT:
            messages = [{"role": "system", "content": system}] * bool(system) + [{"role": "user", "content": user}]
            text = self.tokenizer.apply_chat_template(messages, add_generation_prompt=True, tokenize=False)
            out.append((text, True, self.tokenizer.apply_chat_template(messages, add_generation_prompt=True, return_dict=True)["input_ids"]))
        return out

    @torch.no_grad()
    def continued(self, ids, count):
        mask = torch.ones(1, len(ids), dtype=torch.long)
        return self.model.generate(torch.tensor([ids]), attention_mask=mask, do_sample=False, max_new_tokens=count)[0, len(ids):].tolist()

    @torch.no_grad()
    def logits(self, ids):
        return self.model(torch.tensor([ids])).logits[0].numpy()


class Program:
    """`changepilot`, run anew for every answer."""

    def __init__(self, program, folder, work):
        self.program, self.folder, self.file = program, folder, work / "logits.safetensors"

    def run(self, *words):
        return subprocess.run([self.program, *map(str, words)], check=True, capture_output=True, text=True).stdout

    def generate(self, *words):
        return json.loads(self.run("model", "generate", self.folder, "--json", *words))

    def tokens(self, text, control):
        return json.loads(self.run("tokenizer", "encode", "--tokenizer", self.folder, *["--control"] * control, "--json", "--", text))["ids"]

    def continued(self, text, control, ids, count):
        prompt = ["--ids", ",".join(map(str, ids))] if control else ["--prompt=" + text]
        answer = self.generate(*prompt, "--max-new-tokens", count)
        assert answer["prompt_ids"] == ids, (text, answer["prompt_ids"], ids)
        return answer["ids"]

    def logits(self, ids):
        self.generate("--ids", ",".join(map(str, ids)), "--max-new-tokens", 1, "--logits", self.file)
        return load_file(self.file)["logits"]


class LlamaCpp:
    def __init__(self, path, length=512):
        import llama_cpp as L
        self.L = L
        self.quiet = L.llama_log_callback(lambda level, text, data: None)
        L.llama_log_set(self.quiet, ctypes.c_void_p(0))
        L.llama_backend_init()
        self.model = L.llama_model_load_from_file(str(path).encode(), L.llama_model_default_params())
        assert self.model, path
        options = L.llama_context_default_params()
        options.n_ctx = options.n_batch = options.n_ubatch = length
        options.n_threads = options.n_threads_batch = 1
        options.type_k = options.type_v = gguf.GGMLQuantizationType.F32  # halves otherwise
        options.flash_attn_type = L.LLAMA_FLASH_ATTN_TYPE_DISABLED
        self.context = L.llama_init_from_model(self.model, options)
        self.vocabulary = L.llama_model_get_vocab(self.model)
        self.size = L.llama_vocab_n_tokens(self.vocabulary)
        self.batch = L.llama_batch_init(length, 0, 1)

    def tokens(self, text, control):
        text, room = text.encode(), (self.L.llama_token * 512)()
        count = self.L.llama_tokenize(self.vocabulary, text, len(text), room, 512, False, control)
        assert count >= 0
        return list(room[:count])

    def decode(self, ids, first):
        """Logits (T V) of ids that stand at positions first ... ; what came before is remembered."""
        if first == 0:
            self.L.llama_memory_clear(self.L.llama_get_memory(self.context), True)
        self.batch.n_tokens = len(ids)
        for i, token in enumerate(ids):
            self.batch.token[i], self.batch.pos[i], self.batch.n_seq_id[i] = token, first + i, 1
            self.batch.seq_id[i][0], self.batch.logits[i] = 0, 1
        assert self.L.llama_decode(self.context, self.batch) == 0
        rows = [np.ctypeslib.as_array(self.L.llama_get_logits_ith(self.context, i), shape=(self.size,)) for i in range(len(ids))]
        return np.stack(rows)

    def continued(self, text, control, ids, count):
        out, next_ids = [], ids
        while True:
            token = int(self.decode(next_ids, 0 if not out else len(ids) + len(out) - 1)[-1].argmax())
            out, next_ids = out + [token], [token]
            if len(out) == count or token == self.L.llama_vocab_eos(self.vocabulary):
                return out

    def logits(self, ids):
        return self.decode(ids, 0)


def compare(name, engine, prompts, continuations, references, count):
    """One engine against the reference. A gap is how much the reference prefers its own token to the engine's, in logits."""
    out = {"engine": name, "prompts": len(prompts), "same_ids": 0, "same_greedy": 0, "positions": 0, "same_forced": 0, "largest_gap": 0.0,
           "logit_error": 0.0, "first_differences": []}
    for (text, control, ids), want, reference in zip(prompts, continuations, references):
        out["same_ids"] += engine.tokens(text, control) == ids
        got = engine.continued(text, control, ids, count)
        out["same_greedy"] += got == want
        if got != want:
            at = next(i for i, pair in enumerate(zip(got + [-1], want + [-1])) if pair[0] != pair[1])
            gap = float(reference[at, want[at]] - reference[at, got[at]]) if at < min(len(got), len(want)) else None
            out["first_differences"].append({"prompt": text[-40:], "token": at, "gap": gap})
        forced = engine.logits(ids + want[:-1])[len(ids) - 1:]
        chosen, rows = forced.argmax(-1), np.arange(len(want))
        out["positions"] += len(want)
        out["same_forced"] += int((chosen == want).sum())
        out["largest_gap"] = max(out["largest_gap"], float((reference[rows, want] - reference[rows, chosen]).max()))
        out["logit_error"] = max(out["logit_error"], float(np.abs(forced - reference).max() / np.abs(reference).max()))
    print(json.dumps(out), flush=True)
    return out


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=pathlib.Path)
    parser.add_argument("--program", required=True)
    parser.add_argument("--work", type=pathlib.Path, required=True, help="folder for the F32 GGUF and other large files")
    parser.add_argument("--gguf", type=pathlib.Path)
    parser.add_argument("--golden", type=pathlib.Path)
    parser.add_argument("--tokens", type=int, default=48)
    a = parser.parse_args()
    torch.set_num_threads(1)
    a.work.mkdir(parents=True, exist_ok=True)

    theirs = Transformers(a.folder)
    prompts = theirs.prompts()
    continuations = [theirs.continued(ids, a.tokens) for _, _, ids in prompts]
    references = [theirs.logits(ids + want[:-1])[len(ids) - 1:] for (_, _, ids), want in zip(prompts, continuations)]
    gaps = np.concatenate([np.diff(np.sort(reference, -1)[:, -2:])[:, 0] for reference in references])
    print(json.dumps({"engine": "transformers float32", "positions": len(gaps), "narrowest_lead": float(gaps.min()),
                      "leads_below_0.1": int((gaps < 0.1).sum()), "ended_by_themselves": sum(len(c) < a.tokens for c in continuations)}), flush=True)
    if a.golden:
        golden = {}
        for i, ((_, _, ids), want, reference) in enumerate(zip(prompts, continuations, references)):
            golden |= {f"ids.{i}": np.array(ids), f"continuation.{i}": np.array(want), f"logits.{i}": np.ascontiguousarray(reference[0])}
        save_file(golden, a.golden)

    exact = [compare("changepilot", Program(a.program, a.folder, a.work), prompts, continuations, references, a.tokens)]
    try:
        import llama_cpp
    except ImportError:
        print(json.dumps({"engine": "llama.cpp", "skipped": "llama-cpp-python is not installed"}))
    else:
        source, flat = a.gguf or packaged_gguf(), a.work / "smollm2-f32.gguf"
        dequantised(source, flat)
        exact.append(compare(f"llama.cpp {llama_cpp.__version__} F32", LlamaCpp(flat), prompts, continuations, references, a.tokens))
        compare(f"llama.cpp {llama_cpp.__version__} {source.stem.split('.')[-1]}", LlamaCpp(source), prompts, continuations, references, a.tokens)
    wrong = [e["engine"] for e in exact if not e["same_ids"] == e["same_greedy"] == e["prompts"] or e["same_forced"] != e["positions"]]
    sys.exit(f"differ: {', '.join(wrong)}" if wrong else 0)


if __name__ == "__main__":
    main()
