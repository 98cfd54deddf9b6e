"""Writes tokenizer_golden.json: tricky texts and their ids by the `tokenizers` library.

Run: python tests/reference/make_tokenizer_golden.py
"""

import json
import string
from collections.abc import Sequence
from pathlib import Path

from tokenizers import Tokenizer
from tokenizers.models import WordPiece
from tokenizers.normalizers import BertNormalizer
from tokenizers.pre_tokenizers import BertPreTokenizer

TARGET = Path(__file__).with_name("tokenizer_golden.json")

TEXTS = [
    "",
    " ",
    "Hello, world!",
    "The naïve café owner's résumé.",
    "NAÏVE CAFÉ ÅNGSTRÖM",
    "e\u0301 as two characters, \u00e9 as one",
    "\u0301 a mark alone, and \u0301\u0301 two",
    "Straße and STRASSE, ẞ",
    "İstanbul, ISTANBUL, ıstanbul",
    "ΟΔΥΣΣΕΥΣ ΟΔΟΣ Σ σας",
    "ΆΛΦΑ ῷ",
    "the \u212aelvin and the \u212bngstrom sign",
    "ﬁne ligature, ½ a cup, ² squared, … dots",
    "full width: ＡＢＣ，１２３！",
    "漢字とかな",
    "mixed漢字text",
    "㐀 \U00020000 \U0002b820 \U0002b920 \uf900",
    "한국어 조선말",
    "\u1112\u1161\u11ab",
    "Привет, МИР! Ёлка",
    "שָׁלוֹם עולם",
    "مَرْحَبًا بالعالم",
    "नमस्ते दुनिया",
    "สวัสดี",
    "xin chào Việt Nam",
    "[CLS] [SEP] [PAD] [UNK] [MASK]",
    "not the end[SEP]the end",
    "[sep] [ SEP ] [SEP",
    "##ing ## # ##",
    "un##able",
    "tab\there, line\nhere, return\rhere",
    "form\ffeed vertical\vtab",
    "nul\u0000here bell\u0007here",
    "next\u0085line",
    "no\u00a0break \u2003em \u2009thin \u202fnarrow \u3000wide",
    "line\u2028separator paragraph\u2029separator",
    "zero\u200bwidth joi\u200dner \ufeffmark \u2060word",
    "soft\u00adhyphen",
    "right\u200fto \u202aleft\u202c",
    "broken \ufffd character",
    "private \ue000 use \U000f0000",
    "tag \U000e0041 characters",
    "smile 😀 family 👨\u200d👩\u200d👧 flag 🇫🇷",
    "heart ❤\ufe0f",
    "don't won't it's o'clock ’twas “quoted” ‘so’",
    "a–b—c‐d‑e",
    "€5 £5 $5 5% 5‰ 5°C",
    "x=1+2*3/4-5^6|7~8`9",
    "<b>html</b> &amp; \\n",
    "user_name@example.com https://example.org/a?b=c#d",
    "3.14 1,000,000 10:30 2020-01-01",
    "¡Hola! ¿Qué tal? «oui»",
    "1\u2044 2 − 3 × 4 ÷ 5",
    "a" * 100,
    "a" * 101,
    "é" * 100,
    "é" * 101,
    "한" * 33 + " " + "한" * 34,
    "漢" * 101,
    "\U0001d400" * 100,
    "x" * 99 + "-" + "x" * 99,
    "unaffable unaffordable running",
    "supercalifragilisticexpialidocious",
    "later marks: a\u08d3b \U0001e947c",
    "\u166d \u2e43 \U0001e95e",
    "  many   blanks  at   both   ends  ",
    "\t\n",
]

PIECES = (
    "hello world the un ##aff ##able ##ord ##ing run ##n running owner cafe naive ##ive resume "
    "ist ##an ##bul Hello The CAF ##É café na ##ïve résumé ##ers x ##xx aa ##aaa straße user name"
)


def vocabulary(lower_case: bool) -> list[str]:
    """Special tokens, `PIECES`, and most characters of `TEXTS`; every fifth rare one is unknown."""
    normalizer = BertNormalizer(lowercase=lower_case)
    characters = {c for text in TEXTS for c in normalizer.normalize_str(text) if c != " "}
    rare = sorted(characters - set(string.printable))
    letters = string.ascii_lowercase if lower_case else string.ascii_letters
    known = sorted(characters | set(letters))
    known = [c for c in known if c not in rare[::5]]
    tokens = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", *known, *(f"##{c}" for c in known)]
    return list(dict.fromkeys([*tokens, *PIECES.split()]))


def reference_tokenizer(tokens: Sequence[str], lower_case: bool) -> Tokenizer:
    """The pipeline of `transformers`' fast BERT tokenizer, without its added tokens."""
    ids = {token: token_id for token_id, token in enumerate(tokens)}
    reference = Tokenizer(WordPiece(ids, unk_token="[UNK]", max_input_chars_per_word=100))
    reference.normalizer = BertNormalizer(lowercase=lower_case)
    reference.pre_tokenizer = BertPreTokenizer()
    return reference


def golden() -> dict:
    """Vocabularies, texts and ids, by the name of the vocabulary."""
    content: dict = {"texts": TEXTS}
    for name, lower_case in (("uncased", True), ("cased", False)):
        tokens = vocabulary(lower_case)
        encodings = reference_tokenizer(tokens, lower_case).encode_batch(
            TEXTS, add_special_tokens=False
        )
        content[name] = {"vocabulary": tokens, "ids": [encoding.ids for encoding in encodings]}
    return content


if __name__ == "__main__":
    # ASCII escapes keep odd characters and separators visible and the file the same everywhere.
    TARGET.write_text(json.dumps(golden(), ensure_ascii=True) + "\n", encoding="utf-8")
