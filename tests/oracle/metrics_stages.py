#!/usr/bin/env python3
"""Golden scores of METEOR's stages from its Java program, of NLTK's METEOR and BLEU, and of plain CIDEr.

In:  made-up captions; METEOR's jar with small word lists of its own formats in place of its large ones; a small WordNet.
Out: tests/golden/metrics/stages.json (captions, word lists and scores).
Not here: large sets (metrics_equality.py, which imports from here).

    python tests/oracle/metrics_stages.py tests/golden/metrics/stages.json
"""
import collections
import json
import math
import os
import random
import shutil
import statistics
import subprocess
import sys
import tempfile
import gzip
import warnings

from metrics_captions import JAR, MeteorJar, made_up, words

LEXNAMES = """adj.all adj.pert adv.all noun.Tops noun.act noun.animal noun.artifact noun.attribute noun.body noun.cognition
noun.communication noun.event noun.feeling noun.food noun.group noun.location noun.motive noun.object noun.person
noun.phenomenon noun.plant noun.possession noun.process noun.quantity noun.relation noun.shape noun.state noun.substance
noun.time verb.body verb.change verb.cognition verb.communication verb.competition verb.consumption verb.contact
verb.creation verb.emotion verb.motion verb.perception verb.possession verb.social verb.stative verb.weather
adj.ppl""".split()
PART = dict(noun=1, verb=2, adj=3, adv=4)


class Meteor(MeteorJar):
    def __init__(self, stages, *arguments):
        self.process = subprocess.Popen(["java", "-jar", "-Xmx4G", JAR, "-", "-", "-stdio", "-l", "en", "-m", stages,
                                         *arguments], stdin=subprocess.PIPE, stdout=subprocess.PIPE,
                                        stderr=subprocess.DEVNULL, text=True)

    def close(self):
        self.process.stdin.close()
        self.process.wait()


def plain_cider(references, captions):
    """CIDEr (not D) of each picture, straight from Vedantam et al. 2015, formulas 1 to 3."""
    grams = lambda text, n: collections.Counter(tuple(text.split()[i:i + n]) for i in range(len(text.split()) - n + 1))
    total = [0.0] * len(captions)
    for n in range(1, 5):
        frequency = collections.Counter(g for rs in references for g in {g for r in rs for g in grams(r, n)})
        vector = lambda text: {g: c * math.log(len(captions) / max(1, frequency[g])) for g, c in grams(text, n).items()}
        norm = lambda v: math.sqrt(sum(x * x for x in v.values()))
        for i, (rs, caption) in enumerate(zip(references, captions)):
            said = vector(caption)
            for r in rs:
                wanted = vector(r)
                norms = norm(said) * norm(wanted)
                if norms:
                    total[i] += 10 / 4 / len(rs) * sum(x * wanted.get(g, 0) for g, x in said.items()) / norms
    return total


def nltk_with_wordnet(wordnet, folder):
    """-> a function of (references, captions) that gives corpus_bleu 1..4 and the mean meteor_score."""
    import nltk
    target = os.path.join(folder, "nltk", "corpora", "wordnet")
    shutil.copytree(wordnet, target)
    if not os.path.exists(os.path.join(target, "lexnames")):
        with open(os.path.join(target, "lexnames"), "w") as file:
            file.writelines(f"{i:02d}\t{x}\t{PART[x.split('.')[0]]}\n" for i, x in enumerate(LEXNAMES))
    nltk.data.path.insert(0, os.path.join(folder, "nltk"))
    from nltk.translate.bleu_score import corpus_bleu
    from nltk.translate.meteor_score import meteor_score
    warnings.filterwarnings("ignore", module="nltk")

    def scores(references, captions):
        references, captions = [[r.split() for r in rs] for rs in references], [c.split() for c in captions]
        bleu = [corpus_bleu(references, captions, weights=[1 / n] * n) for n in range(1, 5)]
        return [float(b) for b in bleu], statistics.fmean(meteor_score(r, c) for r, c in zip(references, captions))

    return scores



# METEOR's formats. house, home and dwelling share a synset; so do road and route; "fell" and "built" are irregular.
SYNSETS = {"appear": [11], "begin": [11, 12], "build": [21], "construct": [21], "dwelling": [31], "emerge": [11], "fall": [41],
           "home": [31, 32], "house": [31, 33], "plummet": [41], "road": [51], "route": [51, 52], "street": [53], "tree": [61]}
EXCEPTIONS = {"build": ["built"], "fall": ["fell", "fallen"]}
PARAPHRASES = [(0.5, "parking lot", "car park"), (0.4, "parking lot", "area for cars"), (0.3, "on both sides of", "beside"),
               (0.2, "some", "several"), (0.2, "trees", "the woods"), (0.1, "the road", "a street"), (0.1, "are built", "appear"),
               (0.1, "house", "villa"), (0.1, "has been replaced with", "turned into"), (0.05, "a", "the")]


def write_word_lists(folder):
    pairs = lambda table: "".join(f"{key}\n{' '.join(map(str, values))}\n" for key, values in sorted(table.items()))
    for name, text in (("english.synsets", pairs(SYNSETS)), ("english.exceptions", pairs(EXCEPTIONS)), ("english.relations", "")):
        with open(os.path.join(folder, name), "w") as file:
            file.write(text)
    with gzip.open(os.path.join(folder, "paraphrases.gz"), "wt") as file:
        file.write("".join(f"{p}\n{a}\n{b}\n" for p, a, b in PARAPHRASES))


def synset_lines(part, start, synsets):
    """data.PART and index.PART as wndb(5) describes them; `synsets`: lists of words."""
    data, index, at = "", collections.defaultdict(list), start
    for group in synsets:
        line = f"{at:08d} 03 {part} {len(group):02x} " + " ".join(f"{w} 0" for w in group) + " 000 | made up  \n"
        for word in group:
            index[word.lower().split("(")[0]].append(at)
        data += line
        at += len(line)
    letter = part
    rows = [f"{w} {letter} {len(o)} 0 {len(o)} 0 " + " ".join(f"{x:08d}" for x in o) + "  \n" for w, o in sorted(index.items())]
    return data, "".join(rows)


WORDNET = dict(noun=("n", [["house", "home", "dwelling"], ["road", "route"], ["tree"], ["Earth", "world"], ["car_park", "lot"]], ["feet foot"]),
               verb=("v", [["build", "construct"], ["appear", "emerge"], ["be", "exist"]], ["built build", "is be", "are be"]),
               adj=("a", [["large", "big"], ["new(a)", "fresh"]], ["bigger big"]), adv=("r", [["quickly", "fast"]], []))


def write_wordnet(folder):
    os.makedirs(folder)
    licence = "  1 a small database made up for a test  \n"
    for name, (part, synsets, exceptions) in WORDNET.items():
        data, index = synset_lines(part, len(licence), synsets)
        for file_name, text in ((f"data.{name}", licence + data), (f"index.{name}", licence + index),
                                (f"{name}.exc", "".join(e + "\n" for e in exceptions))):
            with open(os.path.join(folder, file_name), "w") as file:
                file.write(text)
    for file_name in ("index.sense", "cntlist.rev"):  # NLTK opens them
        open(os.path.join(folder, file_name), "w").close()


def made_up_stages():
    """Sentences in which every stage has something to match and to choose."""
    lots = random.Random(11)
    words = ("the a some several house houses home homes dwelling villa road roads route street built build constructing "
             "appear appears emerged fell fallen falling plummeted trees tree woods parking lot car park area for cars on "
             "both sides of beside are is has been replaced with turned into big bigger large new fresh 's - t-shaped lower-left road's houses. (a) 3,4 two..").split()
    phrases = [p for entry in PARAPHRASES for p in entry[1:]]
    piece = lambda: lots.choice(phrases) if lots.random() < 0.35 else lots.choice(words)
    sentence = lambda: " ".join(piece() for _ in range(lots.randint(1, 9)))
    return [[sentence() for _ in range(lots.randint(1, 4))] for _ in range(150)], [sentence() for _ in range(150)]


def main():
    folder = tempfile.mkdtemp()
    write_word_lists(folder)
    write_wordnet(os.path.join(folder, "wordnet"))
    references, captions = made_up_stages()
    texts = {}
    for name in ["english.synsets", "english.exceptions"] + sorted("wordnet/" + n for n in os.listdir(os.path.join(folder, "wordnet"))):
        with open(os.path.join(folder, name)) as file:
            texts[name] = file.read()
    result = dict(references=references, captions=captions, files=texts, meteor={},
                  paraphrases="".join(f"{p}\n{a}\n{b}\n" for p, a, b in PARAPHRASES), cider_plain=plain_cider(references, captions))
    for stages in ("normalised exact stem synonym paraphrase", "exact", "exact stem", "exact synonym", "exact stem synonym", "exact paraphrase",
                   "exact stem synonym paraphrase"):
        norm = ["-norm"] if stages.startswith("normalised") else []
        meteor = Meteor(stages.removeprefix("normalised "), "-d", folder, "-a", os.path.join(folder, "paraphrases.gz"), *norm)
        corpus, each = meteor.corpus(references, captions)
        meteor.close()
        result["meteor"][stages.replace(" ", ",")] = dict(corpus=corpus, each=each)
    nltk_scores = nltk_with_wordnet(os.path.join(folder, "wordnet"), folder)
    bleu, meteor = nltk_scores(references, captions)
    each = [nltk_scores([r], [c])[1] for r, c in zip(references, captions)]
    result["nltk"] = dict(bleu=bleu, meteor=meteor, meteor_each=each)
    with open(sys.argv[1], "w") as file:
        json.dump(result, file, indent=0)
        file.write("\n")
    shutil.rmtree(folder)


if __name__ == "__main__":
    main()
