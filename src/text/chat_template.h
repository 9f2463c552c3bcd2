#pragma once
// In:  a language model's folder (which template it was trained with), a system text, an instruction, the number of
//      visual positions.
// Out: the prompt's ids in that chat form, and an answer's ids as text.
// Not here: a template engine: known templates are recognised, others refused. The "plain" form (template.h).

#include <filesystem>
#include <span>
#include <string>

#include "text/bpe_tokenizer.h"
#include "text/template.h"

namespace cp {

// A dialect of ChatML: every turn is <|im_start|>role newline text <|im_end|> newline.
struct ChatTemplate {
  std::string name;            // "qwen2.5", "smollm2", "chatml"
  std::string default_system;  // the system turn when none is given; empty: no system turn then
};

// By name; throws UserError(model) naming `where` for others.
ChatTemplate chat_template(const std::string& name, const std::string& where);

// The template that the folder's files hold: chat_template.jinja, else "chat_template" of tokenizer_config.json (a
// text, or a list of named ones of which "default" counts), as transformers takes them. Recognised by the SHA-256 of
// the text without white space at its end. Throws UserError(model) for no template and for one that is not known.
ChatTemplate read_chat_template(const std::filesystem::path& language_folder);

// The system turn (`system`, or the default one when empty), a user turn of N visual positions and the instruction, and
// the head of the assistant's turn. Equal to transformers' apply_chat_template(add_generation_prompt=True) where the
// user's content is <|vision_start|><|image_pad|>...<|vision_end|> and the instruction. A vocabulary without these
// three gets N times <|endoftext|> instead, whose embeddings are overwritten all the same. Texts are encoded as plain
// text: control tokens in them are characters. Throws UserError(model) when the vocabulary lacks a token of the form.
Prompt chat_prompt(const BpeTokenizer& tokenizer, const ChatTemplate& chat, const std::string& system,
                   const std::string& instruction, int visual_count);

// What the assistant's turn holds: the caption and <|im_end|>.
std::vector<int> chat_answer_ids(const BpeTokenizer& tokenizer, const std::string& caption);
// Up to <|im_end|> or any id of `end_ids`; nothing is trimmed.
std::string chat_answer_text(const BpeTokenizer& tokenizer, std::span<const int> ids,
                             std::span<const int> end_ids = {});

}  // namespace cp
