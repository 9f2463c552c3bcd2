// A model of two languages: what is trained on, how a batch of both is counted, a run from end to end; and runs that
// start from another run.
#include <fstream>

#include "core/json.h"
#include "data/levir.h"
#include "small_nano.h"
#include "learn/stages.h"
#include "runtime/session.h"

namespace cp {
namespace {

// Chinese captions for every changed pair of the synthetic set, with a character of their own in each split.
TrainConfig bilingual_config(const std::string& run) {
  TrainConfig c = tiny_config(run);
  const fs::path folder = test::fresh_folder("chinese");
  std::ofstream file(folder / "captions.jsonl");
  for (const PairRecord& record : read_levir(c.data).pairs) {
    if (!record.changeflag) continue;
    const std::string own = record.split == "val" ? "鹤" : "鹅";
    file << Json{{"split", record.split},
                 {"name", record.name},
                 {"captions", {"左侧新建了房屋，" + own + "飞走了。", "道路上方修建了房屋。"}}}
                .dump()
         << "\n";
  }
  std::ofstream(folder / "unchanged.txt") << "场景和之前一样。\n";
  c.chinese = (folder / "captions.jsonl").string();
  c.language.vocabulary = 1000;
  return c;
}

bool says(const BpeTokenizer& tokenizer, const std::vector<std::vector<int>>& captions, const std::string& text) {
  for (const std::vector<int>& ids : captions)
    if (tokenizer.decode(ids).find(text) != std::string::npos) return true;
  return false;
}

TEST(BilingualData, ValidationSentencesAreMeasuredAndNeverTrainedOn) {
  const TrainData data = load_train_data(bilingual_config("data"), "", {});
  std::vector<std::vector<int>> text, text_val, train, val;
  for (const TrainData::TextItem& item : data.text) text.push_back(item.ids);
  for (const TrainData::TextItem& item : data.text_val) text_val.push_back(item.ids);
  for (const auto& [pairs, out] : {std::pair(&data.train, &train), std::pair(&data.val, &val)})
    for (const TrainPair& pair : *pairs)
      for (const ViewText& view : pair.texts) out->insert(out->end(), view.chinese.begin(), view.chinese.end());
  for (const auto* captions : {&text, &train}) {
    EXPECT_TRUE(says(data.tokenizer, *captions, "鹅"));
    EXPECT_FALSE(says(data.tokenizer, *captions, "鹤"));
  }
  for (const auto* captions : {&text_val, &val}) {
    EXPECT_FALSE(says(data.tokenizer, *captions, "鹅"));
    EXPECT_TRUE(says(data.tokenizer, *captions, "鹤"));
  }
  // The vocabulary has tokens for what was trained on alone: the other character stays three bytes.
  EXPECT_LT(data.tokenizer.encode("鹅飞走了。").size(), data.tokenizer.encode("鹤飞走了。").size());
  // Directions follow the view; the second view of a pair is a quarter turn.
  EXPECT_TRUE(says(data.tokenizer, text, "下方新建了房屋"));
  for (const TrainPair& pair : data.train)
    if (pair.record.changeflag) {
      EXPECT_TRUE(says(data.tokenizer, pair.texts[0].chinese, "左侧新建了房屋"));
      EXPECT_TRUE(says(data.tokenizer, pair.texts[1].chinese, "下方新建了房屋"));
    }
}

TEST(BilingualData, AnEpochOfTextHasTheAskedShareOfChinese) {
  TrainConfig c = bilingual_config("share");
  const TrainData data = load_train_data(c, "", {});
  LanguageConfig shape;
  shape.hidden_size = 32, shape.num_hidden_layers = 1, shape.num_attention_heads = 4, shape.num_key_value_heads = 2,
  shape.intermediate_size = 48, shape.vocab_size = data.tokenizer.size(), shape.head_dim = 8,
  shape.tie_word_embeddings = true;
  LanguageNet language(shape, 1, 0.0);
  Projector projector(1, 32, static_cast<int>(data.concepts.size()));
  for (const double share : {0.0, 0.16, 0.5}) {
    c.text.chinese_share = share;
    const TextStage stage(c, data, language, projector);
    const std::vector<std::size_t> order = stage.order(3);
    double chinese = 0, english = 0, all_english = 0;
    for (const std::size_t i : order) (data.text[i].chinese ? chinese : english) += 1;
    for (const TrainData::TextItem& item : data.text) all_english += !item.chinese;
    EXPECT_EQ(english, all_english);
    EXPECT_NEAR(chinese / (chinese + english), share, 1.0 / all_english);  // a whole number of sentences
  }

  // The loss of a batch of both languages is the mean over all its tokens, one sample at a time.
  at::NoGradGuard no_grad;
  const std::vector<Prompt> english = instruction_prompts(data.tokenizer, "en", 2),
                            chinese = instruction_prompts(data.tokenizer, "zh", 2);
  std::vector<PromptGroup> groups(2);
  groups[0].prompt = &english[3];
  groups[1].prompt = &chinese[5];
  at::Tensor visual = at::randn({5, 2, 32});
  double sum = 0, tokens = 0;
  for (std::int64_t row = 0; row < 5; ++row) {
    PromptGroup& group = groups[row % 2 == 1 ? 1 : 0];
    const std::vector<int> ids = caption_ids(
        data.tokenizer, std::string(static_cast<std::size_t>(row) + 1, 'a') + (row % 2 == 1 ? "新建房屋。" : " house"));
    group.rows.push_back(row);
    group.captions.push_back(ids);
    const at::Tensor prompt = prompt_embeddings(language, *group.prompt, visual.slice(0, row, row + 1));
    sum += caption_loss(language, prompt, {ids}, 1, 0.0, false).item<double>() * static_cast<double>(ids.size());
    tokens += static_cast<double>(ids.size());
  }
  const double mixed = grouped_caption_loss(language, visual, groups, 1, 0.0, false).item<double>();
  EXPECT_NEAR(mixed, sum / tokens, 1e-5);  // float32 sums in another order
  std::swap(groups[0].prompt, groups[1].prompt);
  EXPECT_GT(std::abs(grouped_caption_loss(language, visual, groups, 1, 0.0, false).item<double>() - sum / tokens),
            1e-4);
}

TEST(BilingualTraining, RunsResumesAndAnswersInTheAskedLanguage) {
  const TrainConfig whole = bilingual_config("two"), stopped = [&] {
    TrainConfig c = whole;
    c.out += "-stopped";
    return c;
  }();
  ASSERT_EQ(run_training(whole, {}), 0);
  EXPECT_EQ(run_training(stopped, {0, false, 3}), 130);
  EXPECT_EQ(run_training(stopped, {0, true, 14}), 130);
  EXPECT_EQ(run_training(stopped, {0, true, 0}), 0);
  EXPECT_TRUE(weights(whole) == weights(stopped));
  const std::string log = read_file(fs::path(whole.out) / "metrics.jsonl", 1 << 24, ErrorKind::data);
  EXPECT_NE(log.find("\"val_nll_per_token_zh\""), std::string::npos);
  EXPECT_NE(log.find("\"val_nll_per_token_changed_zh\""), std::string::npos);

  const Session session = Session::open(fs::path(whole.out) / "checkpoints/last/model");
  EXPECT_EQ(session.manifest().default_instruction.at("zh"), "请描述这两幅图像之间的变化。");
  Image same;
  same.width = same.height = 32, same.channels = 3;
  same.pixels.assign(32 * 32 * 3, 90);
  AnswerOptions ask;
  ask.instruction = "这里有什么变化？";
  Trace trace;
  const Answer answer = session.answer(same, same, ask, &trace);
  EXPECT_EQ(answer.caption, "场景和之前一样。");
  EXPECT_EQ(trace.prompt.ids, plain_prompt(session.tokenizer(), ask.instruction, kVisualTokens).ids);
}

TEST(StartFrom, TheTrunkOfARunGivesItsOwnHeadAgain) {
  const TrainConfig base = tiny_config("base");
  ASSERT_EQ(run_training(base, {}), 0);
  TrainConfig again = base;
  again.out += "-again", again.from = base.out, again.first_stage = "head";
  ASSERT_EQ(run_training(again, {}), 0);
  EXPECT_TRUE(weights(again) == weights(base));
  EXPECT_LT(count_lines(again), count_lines(base));

  // Another condition: the same trunk, another head.
  TrainConfig other = again;
  other.out += "-last", other.head.condition = "last_token";
  ASSERT_EQ(run_training(other, {}), 0);
  const fs::path models[] = {fs::path(base.out) / "checkpoints/last/model",
                             fs::path(other.out) / "checkpoints/last/model"};
  for (const char* file : {"fusion.safetensors", "language/model.safetensors", "language/tokenizer.json"})
    EXPECT_EQ(sha256_hex_file(models[0] / file), sha256_hex_file(models[1] / file)) << file;
  EXPECT_NE(sha256_hex_file(models[0] / "head.safetensors"), sha256_hex_file(models[1] / "head.safetensors"));

  // A model folder alone holds fp16: written again it is the same file.
  TrainConfig folder = again;
  folder.out += "-folder", folder.from = models[0].string();
  ASSERT_EQ(run_training(folder, {}), 0);
  EXPECT_EQ(sha256_hex_file(models[0] / "fusion.safetensors"),
            sha256_hex_file(fs::path(folder.out) / "checkpoints/last/model/fusion.safetensors"));

  // Without a first stage everything is trained on: other weights than those of a fresh run.
  TrainConfig on = again;
  on.out += "-on", on.first_stage = "";
  ASSERT_EQ(run_training(on, {}), 0);
  EXPECT_EQ(count_lines(on), count_lines(base));
  EXPECT_FALSE(weights(on) == weights(base));
}

TEST(StartFrom, MistakesAreNamed) {
  using test::throws_user_error;
  const auto fails = [](const char* from, const char* stage, ErrorKind kind, const char* said) {
    TrainConfig c = tiny_config("mistake");
    c.from = from, c.first_stage = stage;
    const bool named = throws_user_error([&] { run_training(c, {}); }, kind, {said});
    return named && !fs::exists(c.out);  // nothing was begun
  };
  EXPECT_TRUE(fails("", "head", ErrorKind::usage, "from="));
  EXPECT_TRUE(fails("/nowhere", "head", ErrorKind::model, "/nowhere"));
  EXPECT_TRUE(fails("/nowhere", "heads", ErrorKind::usage, "head"));
  TrainConfig c = tiny_config("share-mistake");
  c.text.chinese_share = 1;
  EXPECT_TRUE(throws_user_error([&] { run_training(c, {}); }, ErrorKind::usage, {"text.chinese_share"}));

  const TrainConfig base = tiny_config("narrow");
  ASSERT_EQ(run_training(base, {1, false, 1}), 130);
  TrainConfig wide = tiny_config("wide");
  wide.language.hidden_size = 64, wide.from = base.out, wide.first_stage = "map";
  EXPECT_TRUE(throws_user_error([&] { run_training(wide, {}); }, ErrorKind::model, {"shape"}));
}

}  // namespace
}  // namespace cp
