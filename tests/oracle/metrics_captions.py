#!/usr/bin/env python3
"""Golden caption scores from pycocoevalcap (BLEU, ROUGE-L, CIDEr) and from METEOR's own Java program.

In:  made-up captions (below); with --levir FILE the research captions, of which only scores are kept.
Out: tests/golden/metrics/captions.json, tests/golden/metrics/captions_levir.json.
Not here: the PTB tokenizer and METEOR's stems, synonyms and paraphrases ("-m exact", no "-norm").

    python tests/oracle/metrics_captions.py tests/golden/metrics/captions.json
    python tests/oracle/metrics_captions.py tests/golden/metrics/captions_levir.json --levir LevirCCcaptions.json
"""
import contextlib
import io
import json
import os
import random
import subprocess
import sys

import pycocoevalcap
from pycocoevalcap.bleu.bleu import Bleu
from pycocoevalcap.cider.cider import Cider
from pycocoevalcap.rouge.rouge import Rouge

JAR = os.path.join(list(pycocoevalcap.__path__)[0], "meteor", "meteor-1.5.jar")
LEVIR_PAIRS = 2000


def words(text):
    return " ".join(w for w in text.lower().split() if w not in (".", ","))


class MeteorJar:
    def __init__(self):
        self.process = subprocess.Popen(["java", "-jar", JAR, "-", "-", "-stdio", "-l", "en", "-m", "exact"],
                                        stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL,
                                        text=True)

    def ask(self, line):
        self.process.stdin.write(line + "\n")
        self.process.stdin.flush()
        return self.process.stdout.readline().strip()

    def corpus(self, references, captions):
        stats = [self.ask("SCORE ||| " + " ||| ".join(r) + " ||| " + c) for r, c in zip(references, captions)]
        each = [float(self.ask("EVAL ||| " + " ||| ".join(stats)))]
        each += [float(self.process.stdout.readline()) for _ in stats]
        return each[-1], each[:-1]  # one line a segment, then the corpus


def score(jar, references, captions):
    references, captions = [[words(r) for r in rs] for rs in references], [words(c) for c in captions]
    truth, result = dict(enumerate(references)), {i: [c] for i, c in enumerate(captions)}
    with contextlib.redirect_stdout(io.StringIO()):
        bleu, _ = Bleu(4).compute_score(truth, result)
        rouge, _ = Rouge().compute_score(truth, result)
        cider, _ = Cider().compute_score(truth, result)
    meteor, each = jar.corpus(references, captions)
    return dict(bleu=[float(b) for b in bleu], meteor=meteor, rouge_l=float(rouge), cider=float(cider)), each


def made_up():
    """name -> (references, captions)"""
    same = ["the scene is the same as before", "there is no difference", "no change has occurred"]
    built = ["a road is built along the trees", "some houses are built on both sides of the road",
             "many villas are built along the road"]
    lots = random.Random(5)
    vocabulary = ("the a of and to houses road trees built appear bareland is are on in left right corner some many "
                  "villa parking lot replaced with").split()
    sentence = lambda: " ".join(lots.choice(vocabulary) for _ in range(lots.randint(1, 14)))
    repeats = lambda: " ".join(lots.choice(vocabulary[:6]) for _ in range(lots.randint(6, 24)))
    return {
        "one picture": ([built], ["some houses are built along the road"]),
        "one word": ([["houses"], ["road"]], ["houses", "tree"]),
        "one reference": ([[same[0]], [built[1]]], ["the scene is the same", "some houses are built on the road"]),
        "equal to a reference": ([same, built], [same[0], built[2]]),
        "repeated words": ([["the the the road the house", "the road"], built], ["the the road the the", "road road road road"]),
        "no common word": ([same, built], ["cloud", "river valley mountain"]),
        "empty caption": ([same, built], ["", "a road is built"]),
        "empty against empty": ([["", "a road"], ["a road"]], ["", ""]),
        "upper case and stops": ([["The Scene is the same as before ."], ["A road, two houses , appear ."]],
                                 ["the scene is the SAME as before .", "a road, two houses appear. ."]),
        "tabs and many blanks": ([["  a\troad  is   built "], same], ["a road is built", "\tno  change "]),
        "function words only": ([["the of and to"], built], ["of the and", "is on the of"]),
        "hyphens and digits": ([["two-story house 3 x 4", "a two - story house"], same], ["two-story house 3", "no difference"]),
        "longer than the references": ([same, built], ["the scene is the same as before and nothing has changed at all in it", built[0] + " " + built[1]]),
        "many pictures": ([[sentence() for _ in range(lots.randint(1, 5))] for _ in range(60)], [sentence() for _ in range(60)]),
        "many repetitions": ([[repeats() for _ in range(3)] for _ in range(40)], [repeats() for _ in range(40)]),
    }


def main():
    jar = MeteorJar()
    if "--levir" in sys.argv:
        with open(sys.argv[sys.argv.index("--levir") + 1]) as file:
            records = json.load(file)["images"][:LEVIR_PAIRS]
        sentences = [[s["raw"] for s in r["sentences"]] for r in records]
        scores, _ = score(jar, [s[1:] for s in sentences], [s[0] for s in sentences])
        result = dict(rule="first %d records; caption 0 against the other four" % LEVIR_PAIRS, pairs=len(records), **scores)
    else:
        result = []
        for name, (references, captions) in made_up().items():
            scores, each = score(jar, references, captions)
            result.append(dict(name=name, references=references, captions=captions, meteor_each=each, **scores))
    with open(sys.argv[1], "w") as file:
        json.dump(result, file)
        file.write("\n")


if __name__ == "__main__":
    main()
