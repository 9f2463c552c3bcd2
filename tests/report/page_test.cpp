// The pages: whole HTML, nothing from outside, nothing that breaks out of its place, gaps said plainly.
#include <cmath>
#include <set>

#include <fmt/format.h>
#include <gmock/gmock.h>

#include "core/file.h"
#include "report/event_file.h"
#include "report/live.h"
#include "report/report.h"
#include "report/training_page.h"
#include "support/test_support.h"

namespace cp {
namespace {

namespace fs = std::filesystem;
using ::testing::HasSubstr;
using ::testing::Not;

constexpr const char* kHostile = "</style><script>alert(1)</script>\"'><img src=x onerror=alert(1)>{}%s & &lt;";

// Every tag is closed by its own kind, ids are unique, and nothing points out of the file: "", or what is wrong.
std::string fault_of(const std::string& html) {
  static const std::set<std::string> kVoid = {"meta", "link", "img", "input", "br", "!DOCTYPE"};
  std::vector<std::string> open;
  std::set<std::string> ids;
  std::size_t tags = 0;
  for (std::size_t at = 0; (at = html.find('<', at)) != html.npos; ++tags) {
    const std::size_t end = html.find('>', at);
    if (end == html.npos) return "a tag without end";
    const std::string tag = html.substr(at + 1, end - at - 1);
    at = end;
    const std::string name = tag.substr(0, tag.find_first_of(" \n/", tag.starts_with('/') ? 1 : 0));
    if (const std::size_t id = tag.find(" id=\""); id != tag.npos)
      if (!ids.insert(tag.substr(id + 5, tag.find('"', id + 5) - id - 5)).second)
        return "an id twice: " + tag.substr(0, 80);
    if (tag.starts_with('/')) {
      if (open.empty() || "/" + open.back() != tag) return "unbalanced: " + html.substr(at > 300 ? at - 300 : 0, 400);
      open.pop_back();
    } else if (!kVoid.count(name) && !tag.ends_with('/')) {
      open.push_back(name);
      if (name == "script" || name == "style") at = html.find("</" + name, at) - 1;
    }
  }
  if (!open.empty() || tags < 20) return "not closed";
  for (const char* outside : {"http://", "https://", "src=\"/", "url(", "@import", "file:"})
    if (html.find(outside) != html.npos) return outside;
  std::size_t references = 0;
  for (std::size_t at = 0; (at = html.find("href=\"", at)) != html.npos; at += 6, ++references)
    if (html[at + 6] != '#' && html.compare(at + 6, 5, "data:") != 0) return html.substr(at, 60);
  return references > 0 ? "" : "no references";
}
void expect_whole(const std::string& html) { EXPECT_EQ(fault_of(html), ""); }

Json full_metrics() {
  return parse_json(R"({"format":"changepilot-validation","version":1,
    "run":{"model":"m","data":"d","split":"val","pairs":4,"seed":0,"resamples":100,"times_ms":{"vision":{"median":5,"p90":7},"total":{"median":9,"p90":12}}},
    "contradictory":{"n":1,"rule":"a rule"},
    "caption":{"text":{"all":{"n":4,"bleu4":{"value":0.5,"low":0.4,"high":0.6},"cider":1.5},"changed":{"n":2,"cider":{"value":0.5}}}},
    "flag":{"accuracy":{"value":0.9,"low":0.8,"high":1.0},"reliability":[{"from":0,"to":0.5,"n":2,"mean_p":0.1,"share_changed":0},{"from":0.5,"to":1,"n":0}]},
    "action":{"n":2,"sr_mask":{"value":0.75},"mse":null},
    "region":{"levels":[{"level":0.5,"coverage":{"value":0.4},"area":0.05},{"level":0.9,"coverage":{"value":0.85,"low":0.7,"high":0.95},"area":{"value":0.1}}]},
    "risk_coverage":{"aurc":{"value":0.1},"points":[{"coverage":0.5,"risk":0},{"coverage":1,"risk":0.25}]},
    "map":{"iou":{"value":0.6}},
    "blind":{"flag":{"accuracy":{"value":0.5}},"caption":{"text":{"changed":{"cider":0.25}}},"caption_flag":{"text":{"changed":{"cider":0.3}}},"sentences":{"constant":"same","changed":"houses"}},
    "delta":{"blind":{"flag.accuracy":{"value":0.4,"low":0.2,"high":0.6},"caption.text.changed.cider":{"value":-0.1,"low":-0.3,"high":0.1}}}})",
                    "metrics", ErrorKind::data);
}

ReportInput hostile_input(bool chinese) {
  ReportInput input;
  input.chinese = chinese;
  Validation v;
  v.name = kHostile;
  v.metrics = full_metrics();
  v.metrics["run"]["model"] = v.metrics["run"]["data"] = v.metrics["run"]["split"] = kHostile;
  v.metrics["contradictory"]["rule"] = v.metrics["blind"]["sentences"]["constant"] = kHostile;
  ReportedPair pair;
  pair.name = pair.caption = kHostile;
  pair.references = {kHostile, "新建"};
  pair.changeflag = pair.a = 1;
  pair.hits = ReportedPair::Hits{true, true, true, true};
  pair.point = pair.target = Point{.25, .75};
  pair.error_px = 3;
  pair.scores = {{"cider", 1.0}};
  pair.samples = {{.2, .7}, {.3, .8}};
  pair.region = {{{.1, .1}, {.2, .1}, {.2, .2}}};
  v.pairs = {pair};
  v.damaged = 2;
  Validation w = v;
  w.pairs[0].caption = "other";
  w.pairs[0].scores["cider"] = .5;
  input.validations = {v, w};
  input.cases = choose_cases(input.validations[0].pairs, 2);
  EXPECT_EQ(input.cases.size(), 1u);
  input.cases[0].before = input.cases[0].after = Image(40, 20, 3, 90);
  input.cases[0].truth = {{{.2, .6}, {.4, .6}, {.4, .9}}};
  input.cases[0].steps = {{{0, 1}, {1, 0}}, {{.2, .7}, {.3, .8}}};
  input.comparisons = {compare(v, w, {50, 0})};
  input.runs = {parse_training(kHostile,
                               fmt::format("{}\n{}\nbroken", Json{{"step", 1}, {"stage", kHostile}, {"loss", 3}}.dump(),
                                           Json{{"step", 2}, {"stage", kHostile}, {"loss", 2}}.dump()),
                               kHostile)};
  return input;
}

TEST(ReportPage, HostileTextStaysText) {
  for (const bool chinese : {false, true}) {
    const std::string html = report_page(hostile_input(chinese));
    expect_whole(html);
    EXPECT_THAT(html, Not(HasSubstr("<script>alert")));
    EXPECT_THAT(html, Not(HasSubstr("<img")));
    EXPECT_THAT(html, HasSubstr("&lt;script&gt;alert(1)"));
    EXPECT_THAT(html, HasSubstr("data-steps=\"0,1000 1000,0;200,700 300,800\""));
    EXPECT_THAT(html, Not(HasSubstr("nan")));
    EXPECT_THAT(html, HasSubstr(chinese ? "lang=\"zh-CN\"" : "lang=\"en\""));
  }
}

// The twin: without escaping, the check above fails.
TEST(ReportPage, AnOpenTagWouldBeSeen) {
  const std::string html = report_page(hostile_input(false));
  const std::size_t at = html.find("&lt;script&gt;");
  ASSERT_NE(at, html.npos);
  EXPECT_NE(fault_of(html.substr(0, at) + "<b>" + html.substr(at)), "");
  EXPECT_NE(fault_of(html.substr(0, at) + "<a href=\"x.html\"></a>" + html.substr(at)), "");
}

TEST(ReportPage, ShowsWhatTheFileSays) {
  ReportInput input = hostile_input(false);
  const std::string html = report_page(input);
  for (const char* part : {"0.900</span><span class=\"ci\">0.800 – 1.000", "<span class=\"v up\">+0.400</span>",
                           "<span class=\"v\">−0.100</span>", "Wilson 95 %", "2 lines of predictions.jsonl"})
    EXPECT_THAT(html, HasSubstr(part));
}

TEST(ReportPage, AbsentNumbersAreSaidNotInvented) {
  ReportInput input;
  Validation v;
  v.name = "empty";
  v.metrics = {
      {"format", "changepilot-validation"}, {"version", 1}, {"caption", nullptr}, {"flag", {{"accuracy", nullptr}}},
      {"region", {{"levels", "x"}}},        {"run", 3}};
  input.validations = {v};
  const std::string english = report_page(input);
  expect_whole(english);
  std::size_t gaps = 0;
  for (std::size_t at = 0; (at = english.find("not measured", at)) != english.npos; ++at) ++gaps;
  EXPECT_GE(gaps, main_measures().size()) << "each main score";
  EXPECT_THAT(english, Not(HasSubstr("0.000")));
  input.chinese = true;
  const std::string chinese = report_page(input);
  EXPECT_THAT(chinese, HasSubstr("未测量"));
  for (const char* left : {"not measured", "Main results", "model", "blind", "pairs", "training"})
    EXPECT_THAT(chinese, Not(HasSubstr(std::string(">") + left)));
  expect_whole(report_page(ReportInput{}));
}

TEST(TrainingPage, ReloadsItselfWhileTheRunGoesOn) {
  const std::string log =
      "{\"step\":1,\"stage\":\"map\",\"epoch\":0,\"loss\":2.5,\"gradient_norm\":1}\n"
      "{\"step\":11,\"stage\":\"map\",\"epoch\":0,\"loss\":1.25,\"peak_memory\":1048576}\n"
      "{\"step\":11,\"stage\":\"map\",\"epoch\":0,\"val_monitor\":0.5}\n{\"step\":21,\"sta";
  const std::string running = training_page(log, "seed: 0", {"r<b>un", true, false});
  expect_whole(running);
  for (const char* part : {"http-equiv=\"refresh\"", "r&lt;b&gt;un", "1.2500", "0.5000", "1 line that cannot be read"})
    EXPECT_THAT(running, HasSubstr(part));
  EXPECT_THAT(training_page(log, "", {"run", false, true}), Not(HasSubstr("refresh")));
  expect_whole(training_page("", "", {}));
  EXPECT_THAT(training_page("", "", {}), HasSubstr("No update has been logged yet"));
}

TEST(LiveReport, WritesPageAndEventsAndNeverThrows) {
  const fs::path run = test::fresh_folder("live_run");
  write_file_durable(run / "metrics.jsonl", "{\"step\":1,\"stage\":\"map\",\"loss\":2.5}\n");
  {
    LiveReport live(std::chrono::milliseconds(0));
    live.logged(run, {{"step", 1}, {"stage", "map"}, {"loss", 2.5}});
    live.logged(run, {{"step", 2}, {"stage", "map"}, {"loss", 1.5}});
    EXPECT_THAT(read_file(run / "report.html", 1 << 20, ErrorKind::data), HasSubstr("refresh"));
  }
  EXPECT_THAT(read_file(run / "report.html", 1 << 20, ErrorKind::data), Not(HasSubstr("refresh")))
      << "the run has ended";
  int files = 0;
  for (const auto& entry : fs::directory_iterator(run))
    if (entry.path().filename().string().starts_with("events.out.tfevents.")) {
      const std::string bytes = read_file(entry.path(), 1 << 20, ErrorKind::data);
      int records = 0;  // lengths and checksums lead from record to record
      for (std::size_t at = 0; at < bytes.size(); ++records) {
        std::uint64_t length = 0;
        for (int i = 7; i >= 0; --i)
          length = length << 8 | static_cast<unsigned char>(bytes[at + static_cast<std::size_t>(i)]);
        EXPECT_EQ(bytes.substr(at, length + 16), tf_record(bytes.substr(at + 12, length)));
        at += length + 16;
      }
      EXPECT_EQ(records, 3) << "version and two lines";
      ++files;
    }
  EXPECT_EQ(files, 1);
  LiveReport lost(std::chrono::milliseconds(0));
  lost.logged("/proc/none/run", {{"step", 1}, {"loss", 1}});
}

}  // namespace
}  // namespace cp
