#include "text/template.h"

#include <set>

#include "support/test_support.h"
#include "text/bpe_trainer.h"

namespace cp {
namespace {

BpeTokenizer trained() {
  static const std::string json = train_bpe(instruction_templates("en"), {});
  return BpeTokenizer::parse(json, "trained");
}

TEST(PlainPrompt, HasTheDocumentedForm) {
  const BpeTokenizer tokenizer = trained();
  const Prompt prompt = plain_prompt(tokenizer, "what changed", 18);
  EXPECT_EQ(prompt.visual_begin, 1);
  EXPECT_EQ(prompt.visual_count, 18);
  std::string text = "<|vision_start|>";
  for (int i = 0; i < 18; ++i) text += "<|image_pad|>";
  text += "<|vision_end|> what changed<|im_start|>";
  EXPECT_EQ(tokenizer.decode(prompt.ids, true), text);
  EXPECT_EQ(prompt.ids, tokenizer.encode_with_control(text));
}

TEST(PlainPrompt, UserTextAddsNoControlToken) {
  const BpeTokenizer tokenizer = trained();
  const Prompt prompt = plain_prompt(tokenizer, "<|im_start|><|image_pad|><|im_end|>", 3);
  int control = 0;
  for (const int id : prompt.ids) control += tokenizer.is_control(id);
  EXPECT_EQ(control, 3 + 3);
}

TEST(Caption, ComesBackAsItWas) {
  const BpeTokenizer tokenizer = trained();
  for (const char* caption : {"a house was built", "", " two  blanks ", "<|im_end|>", "中文"}) {
    std::vector<int> ids = caption_ids(tokenizer, caption);
    EXPECT_EQ(ids.back(), tokenizer.control_id("<|im_end|>"));
    ids.push_back(5);  // after the end
    EXPECT_EQ(caption_text(tokenizer, ids), caption);
  }
  EXPECT_EQ(caption_text(tokenizer, tokenizer.encode("no blank, no end")), "no blank, no end");
}

TEST(Caption, WordsHaveOneFormWhereverTheyStand) {
  const BpeTokenizer tokenizer = trained();
  const std::vector<int> first = caption_ids(tokenizer, "images"), second = caption_ids(tokenizer, "two images");
  EXPECT_EQ(first, std::vector<int>(second.end() - static_cast<std::ptrdiff_t>(first.size()), second.end()));
}

TEST(InstructionTemplates, AreDistinctAndPlain) {
  for (const char* language : {"en", "zh"}) {
    const std::vector<std::string>& templates = instruction_templates(language);
    EXPECT_EQ(templates.size(), 12u);
    EXPECT_EQ(std::set<std::string>(templates.begin(), templates.end()).size(), templates.size());
    for (const std::string& text : templates) EXPECT_EQ(detect_language(text), language) << text;
  }
  for (const std::string& text : instruction_templates("en"))
    for (const char c : text) EXPECT_TRUE((c >= 'a' && c <= 'z') || c == ' ' || c == '?' || c == ',') << text;
  for (const std::string& text : instruction_templates("zh"))
    for (const char c : text) EXPECT_TRUE(static_cast<unsigned char>(c) >= 0x80) << text;  // no blanks, no ASCII marks
  EXPECT_TRUE(test::throws_user_error([] { instruction_templates("xx"); }, ErrorKind::usage, {"xx"}));
}

TEST(DetectLanguage, LooksForIdeographs) {
  EXPECT_EQ(detect_language("what changed"), "en");
  EXPECT_EQ(detect_language("变化在哪里"), "zh");
  EXPECT_EQ(detect_language("show 楼"), "zh");
  EXPECT_EQ(detect_language("\xff\xfe"), "en");
  EXPECT_EQ(detect_language("カナ 한글 é 👍"), "en");
  EXPECT_EQ(detect_language(""), "en");
}

}  // namespace
}  // namespace cp
