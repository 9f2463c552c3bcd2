// `changepilot tokenizer`: a vocabulary is trained, read, used, all through the command.
#include "cli/tokenizer.h"

#include <sys/wait.h>

#include <cstdlib>

#include <gtest/gtest.h>

#include "core/file.h"
#include "core/json.h"
#include "support/test_support.h"
#include "text/bpe_tokenizer.h"

namespace cp {
namespace {

namespace fs = std::filesystem;

std::string run(const std::vector<std::string>& args) {
  ::testing::internal::CaptureStdout();
  EXPECT_EQ(run_tokenizer(args), 0);
  return ::testing::internal::GetCapturedStdout();
}

const fs::path& texts_folder() {
  static const fs::path folder = [] {
    fs::path made = test::fresh_folder("tokenizer-texts");
    write_file_durable(made / "a.txt",
                       "a house was built near the road\r\n\nthe road was built\nthe houses near the road\n");
    write_file_durable(made / "b.txt", "les maisons près de la route");
    write_file_durable(
        made / "c.json",
        R"({"images": [{"filename": "1.png", "split": "train", "changeflag": 1, "sentences": [{"raw": " villas appear ."}]},
                       {"filename": "2.png", "split": "train", "changeflag": 1, "sentences": [{"raw": " villas appear ."}]}]})");
    write_file_durable(made / "d.txt", "road\nroad\n");
    write_file_durable(made / "bad.txt", "good\n\xff\n");
    write_file_durable(made / "empty.txt", "\n\n");
    return made;
  }();
  return folder;
}

std::string text(const char* name) { return (texts_folder() / name).string(); }

// Trains once on all three files.
const std::string& trained() {
  static const std::string out = [] {
    std::string folder = (test::fresh_folder("tokenizer-out") / "new").string();
    EXPECT_EQ(run({"train", "--texts", text("a.txt"), text("b.txt"), text("c.json"), "--vocabulary-size", "290",
                   "--out", folder}),
              "290 ids from 6 texts in " + folder + "\n");
    return folder;
  }();
  return out;
}

TEST(TokenizerCommand, TrainsEncodesAndDecodes) {
  const BpeTokenizer tokenizer = BpeTokenizer::load(fs::path(trained()) / "tokenizer.json");
  EXPECT_EQ(tokenizer.size(), 290);
  EXPECT_EQ(tokenizer.control_id("<|image_pad|>"), 289);
  EXPECT_LT(tokenizer.encode(" the road").size(), 5u);  // learnt from the lines
  EXPECT_LT(tokenizer.encode("villas").size(), 6u);     // and from the captions, without their full stop
  const Json config = read_json(fs::path(trained()) / "tokenizer_config.json", ErrorKind::data);
  EXPECT_EQ(config.at("eos_token"), "<|im_end|>");
  EXPECT_EQ(config.at("pad_token"), "<|endoftext|>");

  const std::string words = "the road près 42 <|im_end|>";
  const std::string ids = run({"encode", "--tokenizer", trained(), words});
  EXPECT_EQ(run({"decode", "--tokenizer", trained(), ids}), words + "\n");
  const Json shown = Json::parse(run({"encode", "--tokenizer", trained() + "/tokenizer.json", "--json", words}));
  EXPECT_EQ(shown.at("ids").get<std::vector<int>>(), tokenizer.encode(words));
  EXPECT_EQ(shown.at("tokens").size(), shown.at("ids").size());
  EXPECT_EQ(Json::parse(run({"decode", "--tokenizer", trained(), "--json", ids})).at("text"), words);
}

TEST(TokenizerCommand, ControlTokensOnlyWhenAskedFor) {
  EXPECT_EQ(run({"encode", "--tokenizer", trained(), "--control", "<|im_end|>"}), "286\n");
  EXPECT_NE(run({"encode", "--tokenizer", trained(), "<|im_end|>"}), "286\n");
  EXPECT_EQ(run({"decode", "--tokenizer", trained(), "286"}), "\n");
  EXPECT_EQ(run({"decode", "--tokenizer", trained(), "--control", "286"}), "<|im_end|>\n");
}

TEST(TokenizerCommand, OptionsChangeTheVocabulary) {
  const auto train = [](const std::vector<std::string>& more, const char* texts = "a.txt") {
    const std::string out = test::fresh_folder("tokenizer-options").string();
    std::vector<std::string> args = {"train", "--texts", text(texts), "--out", out, "--vocabulary-size", "1000"};
    args.insert(args.end(), more.begin(), more.end());
    run(args);
    return BpeTokenizer::load(fs::path(out) / "tokenizer.json");
  };
  const int usual = train({}).size();
  EXPECT_LT(train({"--min-frequency", "3"}).size(), usual);
  EXPECT_GT(train({"--min-frequency", "1"}).size(), usual);
  EXPECT_EQ(train({"--special-tokens", "<s>,</s>"}).size(), usual - 4);
  EXPECT_EQ(train({"--special-tokens", "<s>,</s>"}).control_id("</s>"), usual - 5);
  EXPECT_EQ(train({}, "d.txt").encode(" road").size(), 2u);
  EXPECT_EQ(train({"--leading-blank"}, "d.txt").encode(" road").size(), 1u);
}

TEST(TokenizerCommand, ReadsStandardInput) {
  const fs::path folder = test::fresh_folder("tokenizer-pipe");
  write_file_durable(folder / "in", "  indented\nand more\n");
  const std::string program = (fs::path(CP_BINARY_DIR) / "changepilot").string();
  const std::string pipe = program + " tokenizer encode --tokenizer " + trained() + " <" + (folder / "in").string() +
                           " | " + program + " tokenizer decode --tokenizer " + trained() + " >" +
                           (folder / "out").string();
  EXPECT_EQ(WEXITSTATUS(std::system(pipe.c_str())), 0);
  EXPECT_EQ(read_file(folder / "out", 1000, ErrorKind::data), "  indented\nand more\n");
}

TEST(TokenizerCommand, MistakesAreNamed) {
  const auto refused = [](const std::vector<std::string>& args, ErrorKind kind,
                          std::initializer_list<const char*> parts) {
    return test::throws_user_error([&] { run_tokenizer(args); }, kind, parts);
  };
  const std::string out = test::fresh_folder("tokenizer-mistakes").string();
  const auto train = [&](const char* texts, std::vector<std::string> more) {
    more.insert(more.begin(), {"train", "--texts", text(texts), "--out", out});
    return more;
  };
  EXPECT_TRUE(refused({}, ErrorKind::usage, {"train, encode or decode"}));
  EXPECT_TRUE(refused({"encod"}, ErrorKind::usage, {"Did you mean \"encode\""}));
  EXPECT_TRUE(refused({"train", "--out", out}, ErrorKind::usage, {"--texts is missing"}));
  EXPECT_TRUE(refused(train("bad.txt", {}), ErrorKind::data, {"bad.txt, line 2", "UTF-8"}));
  EXPECT_TRUE(refused(train("empty.txt", {}), ErrorKind::data, {"holds no text"}));
  EXPECT_TRUE(refused(train("none.txt", {}), ErrorKind::data, {"none.txt"}));
  EXPECT_TRUE(refused(train("a.txt", {"--vocabulary-size", "100"}), ErrorKind::usage, {"262", "100"}));
  EXPECT_TRUE(refused(train("a.txt", {"--min-frequency", "0"}), ErrorKind::usage, {"--min-frequency", "0"}));
  EXPECT_TRUE(refused(train("a.txt", {"--special-tokens", "<s>,<s>"}), ErrorKind::usage, {"--special-tokens"}));
  EXPECT_TRUE(refused(train("a.txt", {"--special-tokens", "a"}), ErrorKind::model, {"\"a\"", "added_tokens"}));
  EXPECT_FALSE(fs::exists(fs::path(out) / "tokenizer.json"));
  EXPECT_TRUE(refused({"decode", "--tokenizer", trained(), "290"}, ErrorKind::usage, {"0 to 289", "290"}));
  EXPECT_TRUE(refused({"decode", "--tokenizer", trained(), "7x"}, ErrorKind::usage, {"7x"}));
  EXPECT_TRUE(refused({"encode", "--tokenizer", text("a.txt"), "x"}, ErrorKind::model, {"a.txt"}));
  EXPECT_NE(run({"--help"}).find("train --texts"), std::string::npos);
  EXPECT_NE(run({"train", "--help"}).find("--leading-blank"), std::string::npos);
}

}  // namespace
}  // namespace cp
