// Every kind of file that a model folder holds, cut and changed anywhere: opening it ends in an error of the user's or
// in a model that works. Single readers have their own tests (malformed_* in tests/formats and tests/text); here the
// files meet the parts that use what they say.
#include <fstream>

#include <fmt/format.h>

#include "formats/quantize_folder.h"
#include "runtime/assemble.h"
#include "runtime/session.h"
#include "runtime/small_folders.h"

namespace cp {
namespace {

namespace fs = std::filesystem;
using test::slurp;

constexpr int kFlips = 300;

void put(const fs::path& file, const std::string& bytes) {
  fs::remove(file);  // ext4 writes a truncated file to the disk at once, a new one later
  std::ofstream(file, std::ios::binary).write(bytes.data(), static_cast<std::streamsize>(bytes.size()));
}

struct Visited {
  int cuts = 0, flips = 0, refused = 0, read = 0;
};

// Every beginning of the file, or 300 of them; then single bytes changed. `use` opens whatever holds the file. A
// beginning is never read as if it were the whole (white space at the end aside). The file is whole again afterwards.
Visited sweep(const fs::path& file, const std::function<void()>& use, int most_cuts = 300) {
  const std::string whole = slurp(file);
  EXPECT_NO_THROW(use()) << file;
  Visited v;
  const auto attempt = [&](const std::string& bytes, const std::string& what) {
    put(file, bytes);
    try {
      use();
      ++v.read;
      return true;
    } catch (const UserError& error) {
      EXPECT_NE(std::string(error.what()).find(": "), std::string::npos) << what;
      ++v.refused;
    } catch (const std::exception& error) {
      ADD_FAILURE() << file << ", " << what << ": " << error.what();
    }
    return false;
  };
  const std::size_t end = whole.find_last_not_of(" \n") + 1;
  const std::size_t stride = std::max<std::size_t>(1, end / static_cast<std::size_t>(most_cuts));
  for (std::size_t size = 0; size < end; size += stride, ++v.cuts)
    EXPECT_FALSE(attempt(whole.substr(0, size), fmt::format("cut to {}", size))) << file << " cut to " << size;
  Rng rng(11, Stream::test);
  for (; v.flips < kFlips; ++v.flips) {
    const std::size_t at = rng.below(whole.size());
    std::string changed = whole;
    changed[at] = static_cast<char>(changed[at] ^ static_cast<char>(1 + rng.below(255)));
    // half of the changes give characters that JSON may hold at that place
    if (v.flips % 2 == 0) changed[at] = "0123456789-.eE\"abz_,"[rng.below(20)];
    attempt(changed, fmt::format("byte {} changed to {}", at, static_cast<int>(changed[at])));
  }
  put(file, whole);
  EXPECT_EQ(v.refused + v.read, v.cuts + v.flips) << file;
  return v;
}

TEST(MalformedModel, NoFileOfAModelFolderEndsInAnythingElse) {
  AssembleOptions options;
  options.vision = test::make_small_clip("malformed_clip").string();
  options.language = test::make_small_language("malformed_language").string();
  options.adapter = test::make_small_adapter("malformed_adapter").string();
  options.fusion = "patch";
  options.template_name = "plain";
  options.width = 8;
  const fs::path model = test::fresh_folder("malformed") / "model";
  assemble_model(options, model);
  const Image before(64, 64, 3, 40), after(64, 64, 3, 90);
  AnswerOptions how;
  how.num_samples = 1, how.beams = 1, how.max_new_tokens = 2;
  int opened = 0, answered = 0;
  const auto use = [&] {
    const Session session = Session::open(model, {.verify_hashes = false});
    if (++opened % 8 != 0) return;
    session.answer(before, after, how);
    ++answered;
  };

  Visited all;
  for (const char* file :
       {"changepilot.json", "vision/config.json", "vision/preprocessor_config.json", "language/tokenizer.json"}) {
    const Visited v = sweep(model / file, use, 100);
    EXPECT_GT(v.refused, v.cuts) << file << ": no change was noticed";
    all.cuts += v.cuts, all.flips += v.flips, all.read += v.read;
  }
  EXPECT_GE(all.cuts, 4 * 100);
  EXPECT_EQ(all.flips, 4 * kFlips);
  EXPECT_GT(all.read, 100) << "nothing that was changed was ever read: use() refuses everything";
  EXPECT_GT(answered, 20);
}

TEST(MalformedModel, NoLanguageFolderEndsInAnythingElse) {
  const fs::path dense = test::make_small_language("malformed_dense"), folder = test::fresh_folder("malformed_packed");
  quantize_language_folder(dense, folder / "twice", {});
  QuantizeOptions single;
  single.double_quant = false, single.int8_embedding = true;
  quantize_language_folder(dense, folder / "once", single);
  int visited = 0;
  for (const fs::path& kind : {dense, folder / "twice", folder / "once"}) {
    const auto use = [&] {
      const LanguageModel model = LanguageModel::load(kind);
      LanguageModel::Cache cache;
      model.logits(model.prefill(model.embed(std::vector<int>{1, 5, 9}), cache));
    };
    for (const char* file : {"config.json", "model.safetensors"}) {
      const Visited v = sweep(kind / file, use);
      EXPECT_GT(v.cuts, 250) << file;
      EXPECT_GT(v.refused, v.cuts) << file;
      EXPECT_GT(v.read, 0) << file;
      ++visited;
    }
  }
  EXPECT_EQ(visited, 6);
}

TEST(MalformedModel, NoShardIndexEndsInAnythingElse) {
  const fs::path folder = test::make_small_language("malformed_shards");
  const SafeTensors file = SafeTensors::open(folder);
  std::vector<TensorToWrite> shards[2];
  Json index = {{"metadata", {{"total_size", 1}}}};
  for (const auto& [name, view] : file.tensors()) {
    const std::size_t shard = name.find("layers.1.") != std::string::npos ? 1 : 0;
    shards[shard].push_back({name, view.shape, {}, view.dtype, std::string(view.bytes)});
    index["weight_map"][name] = fmt::format("model-0000{}-of-00002.safetensors", shard + 1);
  }
  for (const int shard : {0, 1})
    write_safetensors(folder / fmt::format("model-0000{}-of-00002.safetensors", shard + 1), shards[shard]);
  fs::remove(folder / "model.safetensors");
  put(folder / "model.safetensors.index.json", index.dump());
  const Visited v = sweep(
      folder / "model.safetensors.index.json", [&] { LanguageModel::load(folder); }, 1 << 20);
  EXPECT_EQ(v.cuts, static_cast<int>(index.dump().size()));
  EXPECT_EQ(v.flips, kFlips);
  EXPECT_GT(v.refused - v.cuts, kFlips * 9 / 10);  // "metadata" alone may hold anything
}

TEST(MalformedModel, NoChatTemplateFileEndsInAnythingElse) {
  const fs::path folder = test::make_small_language("malformed_chat");
  const Visited v = sweep(
      folder / "tokenizer_config.json", [&] { read_chat_template(folder); }, 1 << 20);
  EXPECT_GT(v.cuts, 300);
  EXPECT_GT(v.refused, v.cuts + kFlips / 2);
}

}  // namespace
}  // namespace cp
