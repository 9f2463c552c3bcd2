#pragma once
// In:  nothing.
// Out: a chat template that the program recognises.
// Not here: the tests.

#include <string>

namespace cp::test {

// Of SmolLM2-135M-Instruct's tokenizer_config.json (Apache-2.0, Hugging Face).
inline const std::string kSmolTemplate =
    "{% for message in messages %}{% if loop.first and messages[0]['role'] != 'system' %}{{ '<|im_start|>system\nYou "
    "are "
    "a helpful AI assistant named SmolLM, trained by Hugging Face<|im_end|>\n' }}{% endif %}{{'<|im_start|>' + "
    "message['role'] + '\n' + message['content'] + '<|im_end|>' + '\n'}}{% endfor %}{% if add_generation_prompt %}{{ "
    "'<|im_start|>assistant\n' }}{% endif %}";

}  // namespace cp::test
