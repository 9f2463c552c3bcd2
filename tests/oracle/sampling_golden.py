"""Golden values of src/runtime/{sampling,beam} from transformers' generate().

In:  nothing but a seed. The model is a LlamaForCausalLM without layers: its logits depend on the last id alone, so a table
     of V x V numbers is the whole model and the test can play it.
Out: tests/golden/runtime/sampling.json: the table; for do_sample=True every step's ids so far and the scores that generate
     drew from (null: left out); for beam search and greedy search with a repetition penalty the texts and their scores.
Not here: any code of src/runtime.

    python tests/oracle/sampling_golden.py
"""

import json
import pathlib

import torch
from transformers import LlamaConfig, LlamaForCausalLM

GOLDEN = pathlib.Path(__file__).parent.parent / "golden" / "runtime" / "sampling.json"
V = 24
PROMPT = [3, 17, 3, 9]
BANNED = [21, 22, 23]

SAMPLED = [{}, {"temperature": 0.7}, {"temperature": 1.8}, {"top_k": 5}, {"top_k": 1}, {"top_p": 0.9}, {"top_p": 0.3}, {"top_p": 0.05},
           {"repetition_penalty": 1.3}, {"repetition_penalty": 0.8}, {"temperature": 0.7, "top_k": 8, "top_p": 0.8},
           {"temperature": 1.5, "top_k": 6, "top_p": 0.6, "repetition_penalty": 1.2}, {"temperature": 0.3, "top_p": 0.95, "repetition_penalty": 1.1}]
SEARCHED = [{"num_beams": beams, "length_penalty": length, "repetition_penalty": penalty}
            for beams, length in ((1, 1.0), (2, 1.0), (3, 0.7), (5, 0.0)) for penalty in (1.0, 1.2, 1.6, 0.9)]


def model():
    torch.manual_seed(5)
    made = LlamaForCausalLM(LlamaConfig(vocab_size=V, hidden_size=16, intermediate_size=16, num_hidden_layers=0, num_attention_heads=2,
                                        num_key_value_heads=2, tie_word_embeddings=False, use_cache=False))
    with torch.no_grad():
        made.model.embed_tokens.weight.normal_(0, 1)
        made.lm_head.weight.normal_(0, 0.4)
    return made.eval()


@torch.no_grad()
def main():
    made = model()
    table = made(input_ids=torch.arange(V)[:, None]).logits[:, 0]
    prompt = torch.tensor([PROMPT])
    common = dict(attention_mask=torch.ones_like(prompt), pad_token_id=0, return_dict_in_generate=True, output_scores=True, use_cache=False)
    sampled, searched = [], []
    for i, options in enumerate(SAMPLED):
        torch.manual_seed(i)
        options = {"top_k": 0, **options}
        out = made.generate(prompt, do_sample=True, max_new_tokens=4, eos_token_id=None, suppress_tokens=BANNED, output_logits=True, **options, **common)
        ids = out.sequences[0].tolist()
        steps = []
        for t, (logits, scores) in enumerate(zip(out.logits, out.scores)):
            assert torch.allclose(logits[0], table[ids[len(PROMPT) + t - 1]], atol=1e-5)
            steps.append({"seen": ids[:len(PROMPT) + t], "scores": [None if s == -torch.inf else round(s, 6) for s in scores[0].tolist()]})
        sampled.append({"options": options, "steps": steps})
    for i, options in enumerate(SEARCHED):
        end = [5, 11, 2][i % 3]
        extra = {} if options["num_beams"] == 1 else {"early_stopping": True, "num_return_sequences": options["num_beams"]}
        if options["num_beams"] == 1:
            options = {k: v for k, v in options.items() if k != "length_penalty"}
        out = made.generate(prompt, do_sample=False, max_new_tokens=8, eos_token_id=end, suppress_tokens=BANNED, **options, **extra, **common)
        rows = [row[len(PROMPT):] for row in out.sequences.tolist()]
        rows = [row[:row.index(end) + 1] if end in row else row for row in rows]
        scores = [] if options["num_beams"] == 1 else out.sequences_scores.tolist()
        searched.append({"options": options, "end": end, "rows": rows, "scores": scores})
    GOLDEN.write_text(json.dumps({"prompt": PROMPT, "banned": BANNED, "table": [[round(x, 7) for x in row] for row in table.tolist()],
                                  "sampled": sampled, "searched": searched}, separators=(",", ":")) + "\n")


if __name__ == "__main__":
    main()
