#pragma once
// In:  the arguments after `changepilot tokenizer`: train, encode or decode and theirs; text or ids from standard
// input. Out: tokenizer.json and tokenizer_config.json; ids or text on stdout (plain, or JSON with --json); the exit
// code. Not here: the work (text/bpe_trainer.h, text/bpe_tokenizer.h).

#include <string>
#include <vector>

namespace cp {

// 0 when done. Wrong arguments throw UserError(usage), unreadable texts UserError(data), a tokenizer that is none or of
// another kind UserError(model).
int run_tokenizer(const std::vector<std::string>& args);

}  // namespace cp
