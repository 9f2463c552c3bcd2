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
  const std::string normal = nfc(text);
  std::vector<int> ids, piece_ids;
  for (const std::string_view piece : split_qwen2(normal)) {
    piece_ids.clear();
    for (const char byte : piece) piece_ids.push_back(model.byte_ids[static_cast<std::uint8_t>(byte)]);
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
  std::string bytes;
  for (const int id : ids) {
    CP_CHECK(id >= 0 && id < size(), fmt::format("id {} of a vocabulary of {}", id, size()));
    if (keep_control || !is_control(id)) bytes += impl_->model.bytes[static_cast<std::size_t>(id)];
  }
  return replace_invalid_utf8(bytes);
}

int BpeTokenizer::size() const { return static_cast<int>(impl_->model.bytes.size()); }

int BpeTokenizer::control_id(const std::string& token) const {
  for (const ControlToken& control : impl_->model.control)
    if (control.text == token) return control.id;
  throw UserError(ErrorKind::model, impl_->where, fmt::format("the vocabulary has no added token \"{}\".", token),
                  "Use a tokenizer of Qwen2's kind with vision tokens.");
}

bool BpeTokenizer::is_control(int id) const {
  for (const ControlToken& control : impl_->model.control)
    if (control.id == id) return true;
  return false;
}

}  // namespace cp
