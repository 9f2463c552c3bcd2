#include "cli/infer.h"

#include <filesystem>
#include <future>

#include <fmt/format.h>

#include "cli/parse.h"
#include "cli/paths.h"
#include "core/file.h"
#include "core/thread_pool.h"
#include "image/read.h"
#include "image/write.h"
#include "report/animation.h"
#include "report/answer_json.h"
#include "report/overlay.h"

namespace cp {
namespace {

// The stages in the order in which they run; times_ms has them as keys.
constexpr const char* kStages[] = {"preprocess", "vision", "fusion", "language", "head"};
constexpr std::size_t kChangesShown = 5, kCaptionsShown = 3;

struct InferOptions {
  std::string before, after, model, checkpoint, out, animation, vision_precision = "float32";
  AnswerOptions answer;
  int threads = 0;
  bool json = false, exact = false;
};

void want_extension(const char* flag, const std::string& file, const char* extension) {
  if (!file.empty() && std::filesystem::path(file).extension() != extension)
    throw UserError(ErrorKind::usage, flag,
                    fmt::format("wanted a file name that ends in {}, found \"{}\".", extension, file), "");
}

bool parse_infer(const std::vector<std::string>& args, InferOptions& o) {
  CommandLine line("infer", "Says what changed between two images of one place, and where to look.");
  line.option("image_before", o.before, "image before: PNG, JPEG or TIFF", CommandLine::Need::required);
  line.option("image_after", o.after, "image after, of the same size", CommandLine::Need::required);
  line.option("instruction", o.answer.instruction, "what to do, in English or Chinese; the model's own if empty");
  line.option("model", o.model, "model folder; models/nano if empty");
  line.option("checkpoint", o.checkpoint, "checkpoint or run folder to take the model from (instead of --model)");
  line.option("num_samples", o.answer.num_samples, "samples that the action head draws; 0: the model's own number");
  line.option("seed", o.answer.seed, "seed of the samples, and of captions that are drawn");
  line.option("beams", o.answer.beams, "captions that are searched for; 0: the model's own number, 1: greedy");
  line.option("max_new_tokens", o.answer.max_new_tokens, "tokens of a caption at most; 0: the model's own number");
  line.option("temperature", o.answer.temperature, "above 0: draw the captions instead of searching for them");
  line.option("top_k", o.answer.top_k, "draw among the k most likely tokens; 0: all");
  line.option("top_p", o.answer.top_p, "draw among the most likely tokens that hold this share; 1: all");
  line.option("repetition_penalty", o.answer.repetition_penalty, "above 1: say again less often");
  line.option("vision_precision", o.vision_precision,
              "CLIP's products: float32, bfloat16, or fast (bfloat16 where the processor has it)");
  line.option("out", o.out, "PNG file to draw the answer into");
  line.option("animation", o.animation, "GIF file that shows how the action head's samples gather");
  line.option("threads", o.threads, "threads to compute with; 0: as many as processors it may run on");
  line.flag("exact", o.exact, "products with NF4 and int8 weights in float32: slower, the reference's numbers");
  line.flag("json", o.json, "print JSON");
  line.epilogue("Example:\n  changepilot infer --image-before A.png --image-after B.png --out overlay.png");
  if (!line.parse(args)) return false;
  if (o.threads < 0 || o.threads > 1024)
    throw UserError(ErrorKind::usage, "--threads", fmt::format("wanted 0 to 1024, found {}.", o.threads), "");
  want_extension("--out", o.out, ".png");
  want_extension("--animation", o.animation, ".gif");
  return true;
}

std::string size_text(const Image& image) { return fmt::format("{} x {}", image.width, image.height); }

}  // namespace

OrderedJson answer_json(const Answer& answer) {
  OrderedJson json;
  json["caption"] = answer.caption;
  json["language"] = answer.language;
  json["action"] = {{"x", rounded(answer.action.x)},
                    {"y", rounded(answer.action.y)},
                    {"a", answer.action.a},
                    {"p_zoom", rounded(answer.action.p_zoom)}};
  json["abstained"] = abstained_json(answer);
  json["region"] = region_json(answer);
  json["changes"] = changes_json(answer.changes);
  json["times_ms"] = times_json(answer.times_ms);
  json["captions"] = captions_json(answer.captions);
  if (!answer.thought.empty()) json["thought"] = answer.thought;
  json["changed"] = answer.changed;
  json["identical"] = answer.identical;
  return json;
}

std::string answer_text(const Answer& answer, int width, int height) {
  const Answer::Action& action = answer.action;
  std::string text = fmt::format("caption  {}\n", answer.caption);
  for (std::size_t i = 1; i < std::min(kCaptionsShown, answer.captions.size()); ++i)
    text += fmt::format("{:<8} {}. {}\n", i == 1 ? "also" : "", i + 1, answer.captions[i].text);
  text += fmt::format(
      "action   (x, y, a) = ({:.3f}, {:.3f}, {})  {}, P(a = 1) = {:.3f}\n", action.x, action.y, action.a,
      action.a == 1 ? fmt::format("zoom and capture at pixel ({:.0f}, {:.0f})", action.x * width, action.y * height)
                    : "hover",
      action.p_zoom);
  if (!answer.abstained.empty()) text += fmt::format("abstains {}\n", abstained_text(answer.abstained));
  if (answer.identical) text += "         both images hold the same pixels: no change by rule\n";
  if (answer.changed) {
    text += fmt::format("region   {:.1f} % of the image holds the target with probability {:.2f}{}\n",
                        100 * answer.region.share, answer.region.level,
                        answer.region_calibrated ? "" : " (not calibrated for these samples)");
    for (std::size_t i = 0; i < std::min(kChangesShown, answer.changes.size()); ++i) {
      const Change& change = answer.changes[i];
      text += fmt::format(
          "{:<8} {}. at ({:.3f}, {:.3f}), {:.0f} % of the samples, box ({:.3f}, {:.3f}) to ({:.3f}, {:.3f})\n",
          i == 0 ? "changes" : "", i + 1, change.x, change.y, 100 * change.mass, change.box.x0, change.box.y0,
          change.box.x1, change.box.y1);
    }
    if (answer.changes.size() > kChangesShown)
      text += fmt::format("         and {} more (--json lists all)\n", answer.changes.size() - kChangesShown);
  }
  text += "times   ";
  for (const char* stage : kStages)
    if (const auto found = answer.times_ms.find(stage); found != answer.times_ms.end())
      text += fmt::format(" {} {:.1f},", stage, found->second);
  const auto ms = [&](const char* name) { return answer.times_ms.count(name) ? answer.times_ms.at(name) : 0.0; };
  return text + fmt::format(" in all {:.1f} ms (and {:.1f} ms to load the model)\n", ms("total"), ms("load"));
}

int run_infer(const std::vector<std::string>& args) {
  InferOptions o;
  if (!parse_infer(args, o)) return 0;
  if (o.threads > 0) thread_pool().set_threads(o.threads);
  SessionOptions how;
  how.vision = parse_vision_precision(o.vision_precision);
  how.exact = o.exact;
  // Both at once; what is wrong with the first is said first.
  std::future<Image> second = std::async(usable_processors() > 1 ? std::launch::async : std::launch::deferred,
                                         [&] { return read_rgb(o.after); });
  const Image before = read_rgb(o.before);
  const Image after = second.get();
  if (before.width != after.width || before.height != after.height)
    throw UserError(ErrorKind::data, o.after,
                    fmt::format("is {} px, but {} is {} px.", size_text(after), o.before, size_text(before)),
                    "Both images must show the same ground at the same size; crop or resample one.");
  const Session session = Session::open(chosen_model_folder(o.model, o.checkpoint), how);
  Trace trace;
  const Answer answer = session.answer(before, after, o.answer, o.animation.empty() ? nullptr : &trace);
  if (!o.out.empty()) write_png(o.out, draw_overlay(before, after, answer));
  if (!o.animation.empty()) write_file_durable(o.animation, encode_gif(denoising_frames(after, answer, trace)));
  if (o.json) {
    fmt::print("{}\n", dump_json(answer_json(answer), 2));
  } else {
    fmt::print("{}", answer_text(answer, before.width, before.height));
    if (!o.out.empty()) fmt::print("picture  {}\n", o.out);
    if (!o.animation.empty()) fmt::print("film     {}\n", o.animation);
  }
  return 0;
}

}  // namespace cp
