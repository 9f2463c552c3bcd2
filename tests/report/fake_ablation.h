#pragma once
// In:  what each cell shall answer.
// Out: a program that takes `train` and `validate` as ChangePilot does, in no time, and notes that it was called.
// Not here: the tests.

#include <filesystem>
#include <string>
#include <vector>

#include <fmt/format.h>

#include "core/file.h"
#include "core/json.h"
#include "support/test_support.h"

namespace cp::test {

// Pair number i is right about the mask where hits[i] is '1'; its point lies `error` beside the target.
struct FakeAnswer {
  std::string hits;
  double error = 0.1, bleu4 = 0.25;
};

class FakeProgram {
 public:
  explicit FakeProgram(const std::string& name) : folder(fresh_folder(name)) {
    write_file_durable(path(), R"sh(#!/bin/sh
here=$(dirname "$0")
command=$1
for word in "$@"; do
  case $word in out=*) run=${word#out=} ;; esac
  [ "$before" = --out ] && out=$word
  before=$word
done
cell=$(dirname "${run:-$out}")
key=$(basename "$(dirname "$(dirname "$cell")")")-$(basename "$(dirname "$cell")")
echo "$command $key $(basename "$cell")" >> "$here/calls"
echo "$@" >> "$here/words"
if [ -e "$here/fail-$command-$key" ]; then echo first; printf 'the disk\033 <broke>\n\n' >&2; exit 9; fi
if [ -e "$here/die-$command-$key" ]; then kill -9 $$; fi
if [ -e "$here/sleep-$command-$key" ]; then echo started > "$here/started"; sleep 60 & wait; fi
if [ "$command" = train ]; then mkdir -p "$run/checkpoints"; exit 0; fi
mkdir "$out" && cp "$here/answers/$key/$(basename "$cell")/"* "$out"
)sh");
    std::filesystem::permissions(path(), std::filesystem::perms::owner_all);
    write_file_durable(folder / "base.yaml", "views: 1\n");
  }

  std::filesystem::path path() const { return folder / "program"; }
  std::filesystem::path out() const { return folder / "out"; }

  void answer(const std::string& table, const std::string& cell, int seed, const FakeAnswer& answer) const {
    const std::filesystem::path to = folder / "answers" / (table + "-" + cell) / fmt::format("seed-{}", seed);
    std::string lines;
    double right = 0;
    for (std::size_t i = 0; i < answer.hits.size(); ++i) {
      const bool hit = answer.hits[i] == '1';
      right += hit;
      lines += Json{{"name", fmt::format("p{}.png", i)},
                    {"changeflag", 1},
                    {"a", 1},
                    {"p_zoom", .9},
                    {"x", .5 + answer.error},
                    {"y", .5},
                    {"target", {{"x", .5}, {"y", .5}}},
                    {"hits", {{"mask", hit}, {"largest", false}, {"union", true}, {"any", hit}}}}
                   .dump() +
               "\n";
    }
    const auto n = static_cast<double>(answer.hits.size());
    const Json metrics{{"format", "changepilot-validation"},
                       {"version", 1},
                       {"action", {{"sr_mask", {{"value", right / n}}}, {"mse", answer.error * answer.error / 2}}},
                       {"caption", {{"text", {{"changed", {{"bleu4", {{"value", answer.bleu4}}}}}}}}},
                       {"blind", {{"action", {{"sr_mask", {{"value", .125}}}}}}}};
    write_file_durable(to / "metrics.json", metrics.dump());
    write_file_durable(to / "predictions.jsonl", lines);
  }

  // Lines of "train heads-a seed-0" since the last time.
  std::vector<std::string> calls() const {
    const std::filesystem::path file = folder / "calls";
    std::vector<std::string> lines;
    if (!std::filesystem::exists(file)) return lines;
    std::string text = read_file(file, 1 << 20, ErrorKind::data);
    std::filesystem::remove(file);
    for (std::size_t end; (end = text.find('\n')) != text.npos; text.erase(0, end + 1))
      lines.push_back(text.substr(0, end));
    return lines;
  }

  void mark(const std::string& what) const { write_file_durable(folder / what, ""); }
  void unmark(const std::string& what) const { std::filesystem::remove(folder / what); }

  // A config around `tables` (YAML, not indented).
  std::string config(const std::string& tables, const std::string& more = "") const {
    return fmt::format(
        "data: levir-mini\nbase: {}\nout: {}\nseeds: [0, 1]\nmetrics: [action.sr_mask, action.mse, "
        "caption.text.changed.bleu4, action.top3_largest]\n{}tables:\n{}",
        (folder / "base.yaml").string(), out().string(), more, tables);
  }

  const std::filesystem::path folder;
};

}  // namespace cp::test
