// Encoding and decoding. Reading tokenizer.json: bpe_read.cpp.
#include "text/bpe_tokenizer.h"

#include <fmt/format.h>

#include "core/file.h"
#include "text/bpe_read.h"
#include "text/pre_tokenizer.h"
#include "text/unicode.h"

namespace cp {

struct BpeTokenizer::Impl {
  std::string where;
  BpeModel model;

  const ControlToken* find(int id) const {
    for (const ControlToken& control : model.control)
      if (control.id == id) return &control;
    return nullptr;
  }
};

BpeTokenizer BpeTokenizer::parse(std::string_view json, const std::string& where) {
  BpeTokenizer tokenizer;
  tokenizer.impl_ = std::make_shared<const Impl>(Impl{where, parse_bpe_model(json, where)});
  return tokenizer;
}

BpeTokenizer BpeTokenizer::load(const std::filesystem::path& tokenizer_json) {
  constexpr std::uint64_t kMaxBytes = std::uint64_t{64} << 20;
  return parse(read_file(tokenizer_json, kMaxBytes, ErrorKind::model), tokenizer_json.string());
}

std::vector<int> BpeTokenizer::encode(std::string_view text) const {
  const BpeModel& model = impl_->model;
  std::string composed;
  if (model.compose) {
    composed = nfc(text);
    text = composed;
  } else {
    require_utf8(text);
  }
  std::vector<int> ids, piece_ids;
  std::string characters;
  for (const std::string_view piece : split_text(text, model.split)) {
    if (!model.whole.empty()) {
      characters.clear();
      for (const char byte : piece) characters += byte_character(static_cast<std::uint8_t>(byte));
      if (const auto found = model.whole.find(characters); found != model.whole.end()) {
        ids.push_back(found->second);
        continue;
      }
    }
    piece_ids.clear();
    for (const char byte : piece)
      if (const int id = model.byte_ids[static_cast<std::uint8_t>(byte)]; id >= 0) piece_ids.push_back(id);
    model.merges.apply(piece_ids);
    ids.insert(ids.end(), piece_ids.begin(), piece_ids.end());
  }
  return ids;
}

std::vector<int> BpeTokenizer::encode_with_control(std::string_view text) const {
  const BpeModel& model = impl_->model;
  std::vector<int> ids;
  std::size_t plain = 0;  // begin of the text that no control token has taken yet
  const auto flush = [&](std::size_t end) {
    const std::vector<int> part = encode(text.substr(plain, end - plain));
    ids.insert(ids.end(), part.begin(), part.end());
  };
  for (std::size_t position = 0; position < text.size();) {
    const ControlToken* longest = nullptr;
    for (const ControlToken& control : model.control)
      if (text.substr(position).starts_with(control.text) &&
          (longest == nullptr || control.text.size() > longest->text.size()))
        longest = &control;
    if (longest == nullptr) {
      ++position;
      continue;
    }
    flush(position);
    ids.push_back(longest->id);
    plain = position += longest->text.size();
  }
  flush(text.size());
  return ids;
}

std::string BpeTokenizer::decode(const std::vector<int>& ids, bool keep_control) const {
  const BpeModel& model = impl_->model;
  std::string bytes;
  for (const int id : ids) {
    CP_CHECK(id >= 0 && id < size(), fmt::format("id {} of a vocabulary of {}", id, size()));
    const ControlToken* control = impl_->find(id);
    if (keep_control || control == nullptr || !control->special) bytes += model.bytes[static_cast<std::size_t>(id)];
  }
  return replace_invalid_utf8(bytes);
}

int BpeTokenizer::size() const { return static_cast<int>(impl_->model.bytes.size()); }

std::optional<int> BpeTokenizer::find_control(std::string_view token) const {
  for (const ControlToken& control : impl_->model.control)
    if (control.text == token) return control.id;
  return {};
}

int BpeTokenizer::control_id(const std::string& token) const {
  if (const std::optional<int> id = find_control(token)) return *id;
  throw UserError(ErrorKind::model, impl_->where, fmt::format("the vocabulary has no added token \"{}\".", token),
                  "The model's prompt needs it: use the tokenizer.json that belongs to the model.");
}

bool BpeTokenizer::is_control(int id) const { return impl_->find(id) != nullptr; }

}  // namespace cp
