// `changepilot model check`: sound models pass; whatever is damaged is named, all at once, with exit code 4.
#include <fstream>

#include "cli/program.h"
#include "runtime/assemble.h"
#include "runtime/small_folders.h"

namespace cp {
namespace {

namespace fs = std::filesystem;
using test::slurp;
using test::type;
using ::testing::HasSubstr;

AssembleOptions options() {
  AssembleOptions made;
  made.vision = test::make_small_clip("check_clip").string();
  made.language = test::make_small_language("check_language").string();
  made.adapter = test::make_small_adapter("check_adapter").string();
  made.fusion = "patch";
  made.width = 16;
  return made;
}

// A fresh model of copied parts.
struct Whole {
  fs::path model;

  Whole() {
    static const fs::path original = [] {
      const fs::path made = test::fresh_folder("check") / "model";
      assemble_model(options(), made);
      return made;
    }();
    model = test::fresh_folder("check_model");
    fs::copy(original, model, fs::copy_options::recursive);
  }
  // What the program says of it: exit code 4 and every one of `parts`, or sound when there are none.
  void expect(const std::vector<std::string>& parts) const {
    const test::Said said = type("model check " + model.string());
    EXPECT_EQ(said.code, parts.empty() ? 0 : 4) << said.out << said.err;
    for (const std::string& part : parts) EXPECT_THAT(said.err, HasSubstr(part));
  }
  // Changes the tensors of a file and lets changepilot.json believe in the result.
  void change(const fs::path& file, const std::function<void(std::vector<TensorToWrite>&)>& how) const {
    std::vector<TensorToWrite> tensors;
    const SafeTensors old = SafeTensors::open(model / file);
    for (const auto& [name, view] : old.tensors())
      tensors.push_back({name, view.shape, {}, view.dtype, std::string(view.bytes)});
    how(tensors);
    write_safetensors(model / file, tensors);
    ModelManifest manifest = read_manifest(model);
    fill_hashes(model, manifest);
    write_manifest(model, manifest);
  }
};

void put(const fs::path& file, const std::string& bytes) {
  fs::remove(file);  // ext4 writes a truncated file to the disk at once, a new one later
  std::ofstream(file, std::ios::binary).write(bytes.data(), static_cast<std::streamsize>(bytes.size()));
}

void flip(const fs::path& file, std::size_t at) {
  std::string bytes = slurp(file);
  bytes[at] = static_cast<char>(bytes[at] ^ 1);
  put(file, bytes);
}

TEST(ModelCheck, AnyChangedByteOfAnyFileIsFound) {
  const Whole whole;
  whole.expect({});
  int visited = 0;
  for (const auto& [file, hash] : read_manifest(whole.model).files) {
    const std::string before = slurp(whole.model / file);
    for (const std::size_t at : {std::size_t{0}, before.size() / 2, before.size() - 1}) {
      flip(whole.model / file, at);
      whole.expect({file});
      ++visited;
    }
    put(whole.model / file, before);
  }
  EXPECT_EQ(visited, 3 * 11);  // vision 3, language 4, adapter 2, fusion, head
  whole.expect({});
}

TEST(ModelCheck, FoldersThatAreReferredToAreLookedAtToo) {
  AssembleOptions made = options();
  made.reference = true;
  Whole whole;
  whole.model = test::fresh_folder("check_reference") / "model";
  assemble_model(made, whole.model);
  whole.expect({});
  flip(fs::path(made.language) / "model.safetensors", 5000);
  fs::remove(fs::path(made.vision) / "preprocessor_config.json");
  whole.expect(
      {"differs: " + made.language + "/model.safetensors", "missing: " + made.vision + "/preprocessor_config.json"});
}

TEST(ModelCheck, TensorsThatAreMissingAddedMisShapedOrNoNumbersAreNamed) {
  using Tensors = std::vector<TensorToWrite>;
  const auto poison = [](TensorToWrite& tensor) {
    std::vector<float> values(tensor.bytes.size() / dtype_size(tensor.dtype));
    values.back() = tensor.dtype == DType::f16 ? INFINITY : NAN;
    tensor.bytes = encode_floats(values, tensor.dtype);
  };
  int visited = 0;
  for (const char* file : {"vision/model.safetensors", "language/model.safetensors", "fusion.safetensors",
                           "head.safetensors", "adapter/adapter_model.safetensors"}) {
    const Whole whole;
    const SafeTensors old = SafeTensors::open(whole.model / file);
    std::vector<std::string> names;
    for (const auto& [name, view] : old.tensors())
      if (view.shape.size() == 2 && name.find("text_") == std::string::npos) names.push_back(name);
    const std::string first = names.front(), last = names.back();
    whole.change(file, [&](Tensors& t) { std::erase_if(t, [&](const auto& x) { return x.name == first; }); });
    whole.expect({file, "missing: " + first});
    put(whole.model / file, "");
    whole.expect({file, "0 bytes are too few"});

    const Whole more;
    more.change(file, [](Tensors& t) { t.push_back({"surplus.weight", {2}, {1, 2}}); });
    more.expect({file, "unknown: surplus.weight"});

    const Whole turned;
    turned.change(file, [&](Tensors& t) {
      for (TensorToWrite& x : t)
        if (x.name == first) x.shape = {1, x.shape[0] * x.shape[1]};
    });
    turned.expect({file, "shape: " + first});

    const Whole poisoned;
    poisoned.change(file, [&](Tensors& t) {
      for (TensorToWrite& x : t)
        if (x.name == first || x.name == last) poison(x);
    });
    poisoned.expect({file, "not finite", first, last});
    ++visited;
  }
  EXPECT_EQ(visited, 5);
}

TEST(ModelCheck, ListsAllFaultsAtOnce) {
  const Whole whole;
  whole.change("head.safetensors", [](std::vector<TensorToWrite>& t) { t.pop_back(); });
  whole.change("fusion.safetensors", [](std::vector<TensorToWrite>& t) { t.front().shape.push_back(1); });
  whole.change("language/model.safetensors", [](std::vector<TensorToWrite>& t) {
    t.push_back({"model.extra", {1}, {NAN}});
  });
  flip(whole.model / "vision/config.json", 3);
  put(whole.model / "vision/preprocessor_config.json", "{}");
  put(whole.model / "language/tokenizer.json", "{");
  fs::remove(whole.model / "adapter/adapter_config.json");
  whole.expect({" faults:", "head.safetensors", "missing: ", "fusion.safetensors", "shape: change_flag.0.bias",
                "unknown: model.extra", "not finite in:\n  model.extra", "differs: vision/config.json",
                "differs: vision/preprocessor_config.json", "differs: language/tokenizer.json",
                "missing: adapter/adapter_config.json", "tokenizer.json: "});
}

TEST(ModelCheck, PartsThatDoNotFitOneAnotherAreNamed) {
  const auto rewrite = [](const Whole& whole, const std::function<void(ModelManifest&)>& how) {
    ModelManifest manifest = read_manifest(whole.model);
    how(manifest);
    fill_hashes(whole.model, manifest);
    write_manifest(whole.model, manifest);
  };
  const Whole whole;
  Json processor = Json::parse(slurp(whole.model / "vision/preprocessor_config.json"));
  processor["size"] = {{"shortest_edge", 32}}, processor["crop_size"] = 32;
  put(whole.model / "vision/preprocessor_config.json", processor.dump());
  rewrite(whole, [](ModelManifest& m) { m.head.schedule = "sine", m.fusion.grid = 3; });
  whole.expect({"3 faults:", "changepilot.json, head", "schedule", "\"sine\"", "squared_cosine",
                "wanted images of 64 px", "2 x 2 patches, found 3"});

  const Whole other;
  rewrite(other, [](ModelManifest& m) { m.head.kind = "flow"; });
  other.expect({"changepilot.json", "flow rule", "euler or midpoint"});  // the sampler is still a denoiser's
  rewrite(other, [](ModelManifest& m) { m.head.kind = "diffusion", m.template_name = "alpaca"; });
  other.expect({"changepilot.json", "\"template\"", "smollm2", "alpaca"});
  fs::remove(other.model / kManifestFile);
  other.expect({kManifestFile, "cannot open"});
}

TEST(ModelCheck, QuantisedWeightsAreLookedAt) {
  const Whole whole;
  fs::remove_all(whole.model / "language");
  const std::string out = (whole.model / "language").string();
  ASSERT_EQ(type("model quantize " + options().language + " --single --int8-embedding --out " + out).code, 0);
  whole.change("head.safetensors", [](auto&) {});
  whole.expect({});
  const std::string scale = "model.layers.1.mlp.up_proj.weight.absmax", row = "model.embed_tokens.weight_scale";
  whole.change("language/model.safetensors", [&](std::vector<TensorToWrite>& tensors) {
    for (TensorToWrite& t : tensors)
      if (t.name == scale || t.name == row) t.bytes.replace(0, 4, encode_floats(std::vector<float>{NAN}, DType::f32));
  });
  whole.expect({"not finite", scale, row});
}

}  // namespace
}  // namespace cp
