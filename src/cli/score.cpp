#include "cli/score.h"

#include <algorithm>
#include <optional>

#include <fmt/format.h>

#include "cli/parse.h"
#include "core/error.h"
#include "core/file.h"
#include "data/caption_files.h"
#include "metrics/caption_report.h"

namespace cp {
namespace {

struct ScoreOptions {
  std::string predictions, references, split, protocol = "text", vocabulary, meteor = "exact", wordnet, paraphrases,
                                              each;
  bool meteor_norm = false, nltk = false, json = false;
};

bool parse_arguments(const std::vector<std::string>& args, ScoreOptions& o) {
  CommandLine line("score", "Scores a file of captions, ours or another system's, beside blind floors.");
  line.option("predictions", o.predictions, "captions: JSON lines, COCO results, CSV, or one a line",
              CommandLine::Need::required);
  line.option("references", o.references, "LEVIR-CC captions, COCO annotations, or JSON lines",
              CommandLine::Need::required);
  line.option("split", o.split, "score the references of this split only");
  line.option("protocol", o.protocol, "text, ids (closed vocabulary, as LEVIR-CC papers) or char (Chinese)");
  line.option("vocabulary", o.vocabulary, "ids: caption file (all splits) or word list; the references' file if empty");
  line.option("meteor", o.meteor, "stages: exact,stem,synonym,paraphrase or fewer");
  line.flag("meteor_norm", o.meteor_norm, "let METEOR part hyphens and punctuation, as its -norm (pycocoevalcap)");
  line.option("wordnet", o.wordnet,
              "folder of WordNet 3.0's or METEOR's synonym files; the installed WordNet if empty");
  line.option("paraphrases", o.paraphrases, "METEOR's paraphrase table, .gz or plain");
  line.flag("nltk", o.nltk, "add NLTK's corpus_bleu and mean meteor_score (needs WordNet's data files)");
  line.option("each", o.each, "file to write with each picture's scores, JSON lines");
  line.flag("json", o.json, "print JSON");
  return line.parse(args);
}

CaptionSplitter make_splitter(const ScoreOptions& o) {
  const CaptionProtocol protocol = parse_caption_protocol(o.protocol);
  if (protocol != CaptionProtocol::ids) {
    if (!o.vocabulary.empty()) throw UserError(ErrorKind::usage, "--vocabulary", "goes with --protocol ids.", "");
    return CaptionSplitter(protocol);
  }
  const std::string file = o.vocabulary.empty() ? o.references : o.vocabulary;
  return CaptionSplitter(protocol, read_caption_vocabulary(file));
}

// Flags when the file knows all of them.
std::vector<int> flags_of(const std::vector<References>& references) {
  std::vector<int> flags;
  for (const References& picture : references) flags.push_back(picture.changeflag);
  if (std::count(flags.begin(), flags.end(), -1) > 0) flags.clear();
  return flags;
}

void write_each(const std::string& file, const std::vector<References>& references,
                const std::vector<std::string>& captions, const CaptionSums& sums) {
  std::string text;
  for (std::size_t i = 0; i < captions.size(); ++i) {
    const ImageSums& s = sums.images[i];
    const OrderedJson line{{"name", references[i].name}, {"caption", captions[i]}, {"meteor", s.meteor.score()},
                           {"rouge_l", s.rouge_l},       {"cider", s.cider},       {"cider_plain", s.cider_plain}};
    text += line.dump() + "\n";
  }
  write_file_durable(file, text);
}

}  // namespace

int run_score(const std::vector<std::string>& args) {
  ScoreOptions o;
  if (!parse_arguments(args, o)) return 0;
  CaptionReportOptions how;
  how.meteor.stages = parse_meteor_stages(o.meteor);
  how.meteor.normalize = o.meteor_norm;
  how.meteor.synonyms = o.wordnet;
  how.meteor.paraphrases = o.paraphrases;
  const CaptionSplitter splitter = make_splitter(o);
  how.blind = blind_sentences(splitter.protocol());
  const std::vector<References> references = read_references(o.references, o.split);
  const std::vector<std::string> captions = captions_of(references, read_predictions(o.predictions), o.predictions);
  std::optional<NltkMeteor> nltk;
  if (o.nltk) how.nltk = &nltk.emplace(o.wordnet);

  std::vector<std::vector<std::string>> texts;
  for (const References& picture : references) texts.push_back(picture.captions);
  const CaptionReport report = report_captions(texts, captions, flags_of(references), splitter, how);
  if (!o.each.empty()) write_each(o.each, references, captions, report.sums);
  fmt::print("{}", o.json ? report.json.dump(2) + "\n" : caption_table(report.json));
  return 0;
}

}  // namespace cp
