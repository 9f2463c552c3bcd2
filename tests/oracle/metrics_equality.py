#!/usr/bin/env python3
"""Compares `changepilot score` with pycocoevalcap, METEOR's Java program and NLTK on research captions; prints a table.

In:  the built program, LevirCCcaptions.json, WordNet 3.0's files (index.*, data.*, *.exc), pycocoevalcap's jar and paraphrases.
Out: one row a score and set: how many values were compared and the largest difference; then seconds of both sides.
Not here: golden files (metrics_captions.py, metrics_stages.py).

    python tests/oracle/metrics_equality.py build/dev/changepilot LevirCCcaptions.json --wordnet DIR [--pairs 2000] [--time] [--plant]
"""
import argparse
import collections
import contextlib
import io
import json
import os
import random
import resource
import shutil
import subprocess
import tempfile
import time
import zipfile

import pycocoevalcap
from pycocoevalcap.bleu.bleu import Bleu
from pycocoevalcap.cider.cider import Cider
from pycocoevalcap.rouge.rouge import Rouge

from metrics_captions import JAR, made_up, words
from metrics_stages import Meteor, nltk_with_wordnet, plain_cider

PARAPHRASES = os.path.join(list(pycocoevalcap.__path__)[0], "meteor", "data", "paraphrase-en.gz")


def program_scores(program, folder, references, captions, *arguments):
    """-> the report, each picture's scores"""
    with open(os.path.join(folder, "references.jsonl"), "w") as file:
        for i, r in enumerate(references):
            file.write(json.dumps(dict(name=str(i), references=r)) + "\n")
    with open(os.path.join(folder, "captions.jsonl"), "w") as file:
        for i, c in enumerate(captions):
            file.write(json.dumps(dict(name=str(i), caption=c)) + "\n")
    command = [program, "score", "--predictions", os.path.join(folder, "captions.jsonl"), "--references",
               os.path.join(folder, "references.jsonl"), "--each", os.path.join(folder, "each.jsonl"), "--json", *arguments]
    report = json.loads(subprocess.run(command, check=True, capture_output=True, text=True).stdout)
    with open(os.path.join(folder, "each.jsonl")) as file:
        return report, [json.loads(line) for line in file]


class Table:
    """Rows of equal set and score are one."""

    def __init__(self):
        self.rows = {}

    def add(self, name, got, want, tolerance):
        row = self.rows.setdefault(name, dict(values=0, sum=0.0, worst=0.0, differ=0, tolerance=tolerance))
        row["values"] += len(want)
        row["sum"] += sum(want)
        row["worst"] = max([row["worst"]] + [abs(a - b) for a, b in zip(got, want, strict=True)])
        row["differ"] += sum(not abs(a - b) <= tolerance for a, b in zip(got, want))

    def show(self):
        print(f"{'':<58}{'values':>7}{'mean':>8}{'largest':>10}{'differ':>8}{'allowed':>9}")
        for name, r in self.rows.items():
            print(f"{name:<58}{r['values']:>7}{r['sum'] / r['values']:>8.4f}{r['worst']:>10.1e}{r['differ']:>8}"
                  f"{r['tolerance']:>9.0e}")
        return not any(r["differ"] for r in self.rows.values())


def coco(references, captions):
    truth, result = dict(enumerate(references)), {i: [c] for i, c in enumerate(captions)}
    with contextlib.redirect_stdout(io.StringIO()):
        bleu, _ = Bleu(4).compute_score(truth, result)
        rouge, rouge_each = Rouge().compute_score(truth, result)
        cider, cider_each = Cider().compute_score(truth, result)
    return list(bleu), float(rouge), list(rouge_each), float(cider), list(cider_each)


def compare(table, program, folder, name, references, captions, stages, synonyms, nltk_scores, plant):
    references, captions = [[words(r) for r in rs] for rs in references], [words(c) for c in captions]
    shown = references[:-1] + [references[-1][:-1] or [""]] if plant else references
    bleu, rouge, rouge_each, cider, cider_each = coco(references, captions)
    for stage, folder_of_synonyms, label in stages:
        arguments = ["--meteor", stage.replace(" ", ",")]
        if "synonym" in stage:
            arguments += ["--wordnet", folder_of_synonyms]
        if "paraphrase" in stage:
            arguments += ["--paraphrases", PARAPHRASES]
        if "norm" in label:
            arguments += ["--meteor-norm"]
        report, each = program_scores(program, folder, shown, captions, *arguments)
        meteor = Meteor(stage, *(["-norm"] if "norm" in label else []))
        corpus, sentence = meteor.corpus(references, captions)
        meteor.close()
        got = report["caption"]["all"]
        if stage == "exact":
            table.add(f"{name}: BLEU-1..4, corpus", [got[f"bleu{n}"] for n in range(1, 5)], bleu, 1e-9)
            table.add(f"{name}: ROUGE-L, CIDEr-D, corpus", [got["rouge_l"], got["cider"]], [rouge, cider], 1e-9)
            table.add(f"{name}: ROUGE-L, each picture", [e["rouge_l"] for e in each], rouge_each, 1e-9)
            table.add(f"{name}: CIDEr-D, each picture", [e["cider"] for e in each], cider_each, 1e-9)
            table.add(f"{name}: CIDEr, each picture", [e["cider_plain"] for e in each],
                              plain_cider(references, captions), 1e-9)
        table.add(f"{name}: METEOR {label}, corpus", [got["meteor"]], [corpus], 1e-9)
        table.add(f"{name}: METEOR {label}, each picture", [e["meteor"] for e in each], sentence, 1e-9)
    report, _ = program_scores(program, folder, shown, captions, "--nltk", "--wordnet", synonyms)
    bleu, meteor = nltk_scores(references, captions)
    table.add(f"{name}: NLTK corpus_bleu 1..4", [report["nltk"][f"bleu{n}"] for n in range(1, 5)], bleu, 1e-9)
    table.add(f"{name}: NLTK meteor_score, mean", [report["nltk"]["meteor"]], [meteor], 1e-6)


def compare_ids(table, program, folder, records, pairs):
    """The protocol of most LEVIR-CC repositories: numbers of words seen more than five times over all splits."""
    seen = collections.Counter(w for r in records for s in r["sentences"] for w in words(s["raw"]).split())
    number = {w: str(4 + i) for i, w in enumerate(w for w, times in seen.items() if times > 5)}
    as_ids = lambda text: " ".join(number.get(w, "1") for w in words(text).split())
    vocabulary = os.path.join(folder, "vocabulary.json")
    with open(vocabulary, "w") as file:
        json.dump({w: int(n) for w, n in number.items()}, file)
    sentences = [[s["raw"] for s in r["sentences"]] for r in records[-pairs:]]
    references, captions = [s[1:] for s in sentences], [s[0] for s in sentences]
    ids = [[as_ids(r) for r in rs] for rs in references], [as_ids(c) for c in captions]
    bleu, rouge, _, cider, _ = coco(*ids)
    # The paraphrase table takes some numbers for others, so that all stages give more than exact matches.
    for label, stages, more, jar in (("exact", "exact", [], []), ("all, -norm", "exact stem synonym paraphrase",
                                     ["--meteor-norm", "--wordnet", folder, "--paraphrases", PARAPHRASES], ["-norm"])):
        report, each = program_scores(program, folder, references, captions, "--protocol", "ids", "--vocabulary", vocabulary,
                                      "--meteor", stages.replace(" ", ","), *more)
        meteor = Meteor(stages, *jar)
        corpus, sentence = meteor.corpus(*ids)
        meteor.close()
        got = report["caption"]["all"]
        table.add("ids: BLEU-1..4, ROUGE-L, CIDEr-D, corpus", [got[f"bleu{n}"] for n in range(1, 5)] + [got["rouge_l"], got["cider"]],
                  bleu + [rouge, cider], 1e-9)
        table.add(f"ids: METEOR {label}, corpus", [got["meteor"]], [corpus], 1e-9)
        table.add(f"ids: METEOR {label}, each picture", [e["meteor"] for e in each], sentence, 1e-9)


def cpu_seconds():
    return sum(resource.getrusage(who).ru_utime + resource.getrusage(who).ru_stime
               for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN))


def timed(work):
    wall, cpu = time.perf_counter(), cpu_seconds()
    work()
    return time.perf_counter() - wall, cpu_seconds() - cpu


def compare_speed(program, folder, records, meteor_files):
    lots = random.Random(0)
    records = lots.sample(records, 1929)
    references = [[words(s["raw"]) for s in r["sentences"]] for r in records]
    captions = [lots.choice(references[(i + lots.randrange(1, 1929)) % 1929]) for i in range(1929)]
    program_scores(program, folder, references, captions)  # writes the files

    def ours():
        # without --each; the blind floors, which the others do not compute, are part of it
        subprocess.run([program, "score", "--predictions", os.path.join(folder, "captions.jsonl"), "--references",
                        os.path.join(folder, "references.jsonl"), "--json", "--meteor", "exact,stem,synonym", "--wordnet",
                        meteor_files], check=True, stdout=subprocess.DEVNULL)

    def theirs():
        coco(references, captions)
        meteor = Meteor("exact stem synonym")
        meteor.corpus(references, captions)
        meteor.close()

    runs = [(timed(ours), timed(theirs)) for _ in range(3)]
    wall, their_wall = (min(r[side][0] for r in runs) for side in (0, 1))
    cpu, their_cpu = (min(r[side][1] for r in runs) for side in (0, 1))
    print(f"1,929 x 5, BLEU, ROUGE-L, CIDEr, METEOR exact+stem+synonym, best of 3, load {os.getloadavg()[0]:.1f}")
    print(f"  changepilot score, blind floors included: {wall:.3f} s wall, {cpu:.3f} s CPU")
    print(f"  pycocoevalcap and the METEOR jar:         {their_wall:.3f} s wall, {their_cpu:.3f} s CPU")
    print(f"  ratio: {their_wall / wall:.1f} wall, {their_cpu / cpu:.1f} CPU")


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("program")
    parser.add_argument("captions")
    parser.add_argument("--wordnet", required=True)
    parser.add_argument("--pairs", type=int, default=2000)
    parser.add_argument("--plant", action="store_true", help="keep one reference a set from the program: must not be equal")
    parser.add_argument("--time", action="store_true")
    options = parser.parse_args()
    program = os.path.abspath(options.program)
    with open(options.captions) as file:
        records = json.load(file)["images"]
    folder = tempfile.mkdtemp()
    with zipfile.ZipFile(JAR) as jar:
        jar.extractall(folder, [n for n in jar.namelist() if n.startswith("synonym/")])
    nltk_scores = nltk_with_wordnet(options.wordnet, folder)

    chosen = records[:options.pairs]
    left_out = ([[s["raw"] for s in r["sentences"]][1:] for r in chosen], [r["sentences"][0]["raw"] for r in chosen])
    lots = random.Random(7)
    changed = lots.sample([r for r in records if r["changeflag"] == 1], options.pairs)
    sentences = [[s["raw"] for s in r["sentences"]] for r in changed]
    of_another = (sentences, [lots.choice(sentences[(i + 1) % len(sentences)]) for i in range(len(sentences))])
    stages = [("exact", "", "exact"), ("exact stem", "", "exact, stem"), ("exact synonym", folder, "exact, synonym"),
              ("exact stem synonym", folder, "+ synonym (METEOR's files)"),
              ("exact stem synonym", options.wordnet, "+ synonym (WordNet's files)"),
              ("exact stem synonym paraphrase", folder, "+ paraphrase"),
              ("exact stem synonym paraphrase", folder, "all, -norm (pycocoevalcap)")]
    table = Table()
    sets = [("left_out", *left_out), ("of_another", *of_another)] + [("odd", *odd) for odd in made_up().values()]
    for name, references, captions in sets:
        compare(table, program, folder, name, references, captions, stages, options.wordnet, nltk_scores, options.plant)
    compare_ids(table, program, folder, records, options.pairs)
    good = table.show()
    if options.time:
        compare_speed(program, folder, records, folder)
    shutil.rmtree(folder)
    print("all equal" if good else "NOT EQUAL")
    return 0 if good else 1


if __name__ == "__main__":
    raise SystemExit(main())
