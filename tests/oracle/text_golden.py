"""Golden values of src/text from the `tokenizers` library.

In:  nothing but a seed. Out: tests/golden/text/{tokenizer,trainer,strings,kinds,classes}.json; with --many N FILE one large
file of the layout of strings.json, which test_text reads when CP_TEXT_CORPUS names it (several files: joined by ':').
--tokenizer names the tokenizer.json that the large file is for, --kind the kind of a vocabulary to train for it, else it is
for tests/golden/text/tokenizer.json.
Not here: any code of src/text.

    python tests/oracle/text_golden.py
    python tests/oracle/text_golden.py --many 60000 /tmp/qwen.json --kind qwen2
    python tests/oracle/text_golden.py --many 60000 /tmp/nano.json --tokenizer models/nano/language/tokenizer.json
    CP_TEXT_CORPUS=/tmp/qwen.json:/tmp/nano.json build/dev/test_text
"""

import argparse
import json
import pathlib
import random
import unicodedata

from tokenizers import Regex, Tokenizer, decoders, models, normalizers, pre_tokenizers, trainers

GOLDEN = pathlib.Path(__file__).parent.parent / "golden" / "text"
QWEN2 = (r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}| ?[^\s\p{L}\p{N}]+[\r\n]*"
         r"|\s*[\r\n]+|\s+(?!\S)|\s+")
LLAMA3 = QWEN2.replace(r"|\p{N}|", r"|\p{N}{1,3}|")
ADDED = ["<|endoftext|>", "<|im_start|>", "<|im_end|>", "<|vision_start|>", "<|vision_end|>", "<|image_pad|>"]
VOCABULARY, MIN_FREQUENCY = 900, 2

SENTENCES = """
a new house has been built near the road at the top of the scene
two rows of buildings replaced the trees; the car park isn't there any more
Ein neues Gebäude wurde neben der Straße errichtet, größer als zuvor.
Une école a été construite à côté de la forêt; l'été dernier, rien n'y était.
El camión cruzó el puente viejo mientras caía la niebla mañanera.
A estação de comboios não existia antes da construção.
Nowy budynek stoi obok drogi, a żółw śpi w źródle.
Új ház épült az út mellett, őszi tűz fölött.
Tòa nhà mới được xây gần con đường ở phía bắc.
Новое здание построено рядом с дорогой, а лес исчез.
Нова будівля з'явилася біля річки.
Ένα νέο κτίριο χτίστηκε δίπλα στον δρόμο.
מבנה חדש נבנה ליד הכביש הראשי.
تم بناء منزل جديد بالقرب من الطريق.
ساختمان تازه‌ای کنار جاده ساخته شد.
सड़क के पास एक नया घर बनाया गया है।
রাস্তার পাশে একটি নতুন বাড়ি তৈরি হয়েছে।
சாலைக்கு அருகில் ஒரு புதிய வீடு கட்டப்பட்டது.
ถนนสายใหม่ถูกสร้างขึ้นใกล้บ้าน
在道路旁边新建了一排房屋，树木消失了。
道路の近くに新しい建物が建てられました。
도로 근처에 새 건물이 지어졌습니다.
ახალი სახლი აშენდა გზის პირას.
Նոր շենք է կառուցվել ճանապարհի մոտ։
አዲስ ቤት በመንገዱ አጠገብ ተሠራ።
ဟောင်းသော အိမ် ပျောက်သွားပြီ။
x = (a[i] + b[j]) * 3.14e-10; // TODO: fix != ==
👩‍🚀 flies 🚁 over 🏘️ and 🇩🇪🇫🇷, e\u0301t\u00e9 vs \u00e9te\u0301, ﬁ ﬂ ½ Ⅷ ² ①
""".strip().split("\n")

ODD = ["'s", "'S", "'T", "'re", "'RE", "'Ve", "'m", "'LL", "'ll", "'d", "'x", "'", "''s", "'\u017f", "\u2019s", " ", "  ", "   ", "\t", "\n",
       "\r\n", "\r", " \n", "\n ", "\u00a0", "\u3000", "\u2028", "\x85", "\x0b", "\x0c", "\x00", "\x1f", "\x7f", "\u200b",
       "\u180e", "\ufeff", "\ufffd", "0", "7", "42", "1234567", "٣", "½", "Ⅷ", "²", ".", "...", "!?", "(", ")", "\"", "-", "--",
       "_", "/", "\\", "#", "@", "a", "A", "é", "e\u0301", "a\u0323\u0302", "q\u0307\u0323", "\u1100\u1161\u11a8", "\uac00\u11a8", "ß", "İ", "ı",
       "\u212a", "\u2126", "\u0344", "\u0958", "\u2adc", "\U0001d15e", "中", "文", "が", "か\u3099", "한", "ไ", "น้ำ", "क्ष", "👍", "👍🏽",
       "👨‍👩‍👧", "🇩🇪", "\U0010ffff", "\ue000", "ǅ", "ʼn", "\u0300", "\u0316\u0301", "\u0301\u0316", "house", "houses", " the", "The", "don't", "I'm"]

# Numbers in several scripts, runs of them, what is a number since Unicode 17 only, indented lines.
NUMBERS = ["0123456789", "12 345", "٣٤٥", "४५६", "½⅓", "Ⅷ2", "²³", "一二三", "\U0001d7d8\U0001d7d9", "\U00011de3", "\U00016ff4", "3.14", " 7", "  7",
           "\n7", "a1b2", "100'000", "    if x:\n        y", "\t\tz", "   \n", "  -", "\x04", "\x1d", "\U00050000"]

CONTROL = ["<|im_end|>", "<|im_start|>", "<|image_pad|>", "<|vision_start|>", "<|vision_end|>", "<|endoftext|>", "<|im_end|", "|im_end|>",
           "<|im_end|><|im_end|>", "<|im_<|im_end|>end|>", "<|IM_END|>", "< |im_end|>"]


def split(pattern):
    return pre_tokenizers.Sequence([pre_tokenizers.Split(Regex(pattern), "isolated"),
                                    pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False)])


def training_texts(rng):
    things = "house road building tree car park villa school bridge field river roof".split()
    verbs = "built removed replaced added widened demolished planted".split()
    places = "near the top|in the corner|beside the road|on the left|at the bottom|along the river".split("|")
    texts = [f"{rng.choice(['a', 'the', 'two', 'some', 'many'])} {rng.choice(things)}{rng.choice(['', 's', ' and a ' + rng.choice(things)])} "
             f"{rng.choice(['was', 'were', 'has been', 'have been'])} {rng.choice(verbs)} {rng.choice(places)}{rng.choice(['', '.', ' .', ', too'])}"
             for _ in range(160)]
    return texts + SENTENCES + [s.lower() for s in SENTENCES[:12]]


def train(texts, size=VOCABULARY - len(ADDED), pre_tokenizer=split(QWEN2), normalizer=normalizers.NFC(),
          alphabet=pre_tokenizers.ByteLevel.alphabet(), special=(), **model):
    tokenizer = Tokenizer(models.BPE(**model))
    if normalizer:
        tokenizer.normalizer = normalizer
    tokenizer.pre_tokenizer = pre_tokenizer
    tokenizer.decoder = decoders.ByteLevel(add_prefix_space=False, use_regex=False)
    trainer = trainers.BpeTrainer(vocab_size=size, min_frequency=MIN_FREQUENCY, show_progress=False,
                                  initial_alphabet=alphabet, special_tokens=list(special))
    tokenizer.train_from_iterator(texts, trainer)
    return tokenizer


def without_added(tokenizer):
    """The same with its added tokens forgotten: what plain text is encoded with."""
    parts = json.loads(tokenizer.to_str())
    parts["added_tokens"] = []
    return Tokenizer.from_str(json.dumps(parts))


def kinds(texts, size):
    """A small vocabulary of each kind. Trained without any splitting, so that merges cross every border that a splitter of
    another kind would leave out."""
    byte_level = pre_tokenizers.ByteLevel(add_prefix_space=False)
    steps = {"qwen2": split(QWEN2), "llama3": split(LLAMA3), "gpt2": byte_level,
             "digits_gpt2": pre_tokenizers.Sequence([pre_tokenizers.Digits(individual_digits=True), byte_level])}
    coarse = pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False)
    texts = texts[:60] + [string(random.Random(i), [ord("a")], ODD + NUMBERS) for i in range(3000)]
    out = {}
    for kind, step in steps.items():
        normalizer, alphabet, special = normalizers.NFC() if kind == "qwen2" else None, pre_tokenizers.ByteLevel.alphabet(), ()
        if kind == "digits_gpt2":  # SmolLM's way: added tokens first, and not every byte has a token
            special, rare = ADDED, "\x04\x1d\U00050000"
            missing = "\u0104\u0106\u0113\u0114\u0116\u011d\u00c0\u00c1\u00f1\u00f2" + "".join(map(chr, range(0xf5, 0x100)))
            alphabet = [c for c in alphabet if c not in missing]
            texts = [text for text in texts if not set(text) & set(rare)]
        tokenizer = train(texts, size, coarse, normalizer, alphabet, special, ignore_merges=kind == "llama3")
        tokenizer.pre_tokenizer = step
        if kind == "llama3":  # tokens that no merge makes: only ignore_merges finds them
            parts = json.loads(tokenizer.to_str())
            for token in ("\u0120house", "zqz", "123"):
                parts["model"]["vocab"].setdefault(token, len(parts["model"]["vocab"]))
            tokenizer = Tokenizer.from_str(json.dumps(parts))
        tokenizer.add_special_tokens(ADDED)
        out[kind] = tokenizer
    return out


def string(rng, assigned, odd):
    """One short string; the kind is drawn first so that every kind is met often."""
    kind = rng.randrange(6)
    if kind == 0:  # a part of a sentence, cut anywhere
        s = rng.choice(SENTENCES)
        i = rng.randrange(len(s))
        return s[i:i + rng.randrange(1, 24)]
    if kind == 1:  # odd pieces side by side
        return "".join(rng.choice(odd) for _ in range(rng.randrange(1, 7)))
    if kind == 2:  # any assigned code points
        return "".join(chr(rng.choice(assigned)) for _ in range(rng.randrange(1, 6)))
    if kind == 3:  # words and odd pieces
        words = rng.choice(SENTENCES).split()
        return "".join(rng.choice([rng.choice(words), rng.choice(odd), " "]) for _ in range(rng.randrange(1, 5)))
    if kind == 4:  # a letter and marks, where normalisation works hardest
        marks = [chr(c) for c in list(range(0x300, 0x370)) + [0x5b0, 0x5bc, 0x64b, 0x651, 0x93c, 0x94d, 0x3099, 0x1161, 0x11a8]]
        return "".join(rng.choice("aeiouAEONnsSkghwyZ\u0915\u304b\u1100\uac00\u05d0\u0627") +
                       "".join(rng.choice(marks) for _ in range(rng.randrange(0, 4))) for _ in range(rng.randrange(1, 4)))
    alphabet = " \t\n\r.,'a1é中" if rng.random() < 0.5 else " \n'sStTlLdDmMrReEvV"
    return "".join(rng.choice(alphabet) for _ in range(rng.randrange(1, 12)))


def cases(rng, plain, with_added, count, odd, others):
    """`count` plain strings; `others` strings with control tokens and as many lists of ids to decode."""
    assigned = [c for c in range(0x110000) if unicodedata.category(chr(c)) not in ("Cn", "Cs")]
    strings = [""] + sorted({string(rng, assigned, odd) for _ in range(count)} - {""}, key=lambda s: (len(s), s))
    control = []
    for _ in range(others):
        control.append("".join(rng.choice([rng.choice(CONTROL), rng.choice(CONTROL), rng.choice(odd), " house"]) for _ in range(rng.randrange(1, 5))))
    decode = [[rng.randrange(with_added.get_vocab_size() if rng.random() < 0.3 else 256) for _ in range(rng.randrange(1, 9))]
              for _ in range(others)]
    encode = lambda tokenizer, text: tokenizer.encode(text, add_special_tokens=False).ids
    return {"strings": strings, "ids": [encode(plain, s) for s in strings],
            "control": control, "control_ids": [encode(with_added, s) for s in control],
            "decode": decode, "decoded": [with_added.decode(ids, skip_special_tokens=False) for ids in decode],
            "decoded_plain": [with_added.decode(ids, skip_special_tokens=True) for ids in decode]}


def ranges_of(pattern):
    """Code points that `pattern` matches (without one: that the Digits step takes), as flat [first, last, first, last ...]."""
    step = pre_tokenizers.Split(Regex(pattern + "+"), "isolated") if pattern else pre_tokenizers.Digits(individual_digits=True)
    points = [c for c in range(0x110000) if not 0xD800 <= c < 0xE000]
    ranges = []
    for a in range(0, len(points), 4096):
        chunk = points[a:a + 4096]
        text = "#" + "".join(chr(c) + "#" for c in chunk)  # the separator is in none of the classes
        for _, (begin, end) in step.pre_tokenize_str(text):
            if end - begin == 1 and begin % 2 == 1:
                c = chunk[begin // 2]
                if ranges and ranges[-1] == c - 1:
                    ranges[-1] = c
                else:
                    ranges += [c, c]
    return ranges


def write(path, value):
    path.write_text(json.dumps(value, ensure_ascii=False, separators=(",", ":")) + "\n", encoding="utf-8")


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--many", nargs=2, metavar=("N", "FILE"))
    parser.add_argument("--tokenizer", type=pathlib.Path)
    parser.add_argument("--kind", choices=("qwen2", "llama3", "gpt2", "digits_gpt2"))
    arguments = parser.parse_args()
    texts = training_texts(random.Random(1))
    plain = train(texts)
    with_added = Tokenizer.from_str(plain.to_str())
    with_added.add_special_tokens(ADDED)
    if arguments.many:
        count = int(arguments.many[0])
        if arguments.kind:
            arguments.tokenizer = pathlib.Path(arguments.many[1] + ".tokenizer")
            kinds(texts, 2000)[arguments.kind].save(str(arguments.tokenizer))
        if arguments.tokenizer:
            with_added = Tokenizer.from_file(str(arguments.tokenizer))
            plain = without_added(with_added)
        rows = cases(random.Random(3), plain, with_added, count, ODD + NUMBERS, max(200, count // 50))
        rows["tokenizer"] = str((arguments.tokenizer or GOLDEN / "tokenizer.json").resolve())
        write(pathlib.Path(arguments.many[1]), rows)
        return
    GOLDEN.mkdir(parents=True, exist_ok=True)
    write(GOLDEN / "tokenizer.json", json.loads(with_added.to_str()))
    write(GOLDEN / "trainer.json", {"vocabulary_size": VOCABULARY, "min_frequency": MIN_FREQUENCY, "texts": texts})
    write(GOLDEN / "strings.json", cases(random.Random(2), plain, with_added, 2600, ODD, 200))
    write(GOLDEN / "kinds.json", {
        kind: {"tokenizer": json.loads(tokenizer.to_str()),
               **cases(random.Random(10), without_added(tokenizer), tokenizer, 370, ODD + NUMBERS + ["zqz", "1234"], 50)}
        for kind, tokenizer in kinds(texts, 500).items()})
    write(GOLDEN / "classes.json", {"letter": ranges_of(r"\p{L}"), "number": ranges_of(r"\p{N}"), "space": ranges_of(r"\s"),
                                    "numeric": ranges_of(None)})


if __name__ == "__main__":
    main()
