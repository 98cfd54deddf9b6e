"""Writes tfglue/data/unicode_ranges.py from what the `tokenizers` library does to each character.

Run: python tests/reference/make_unicode_ranges.py
"""

from collections.abc import Iterable
from pathlib import Path

from tokenizers.normalizers import BertNormalizer
from tokenizers.pre_tokenizers import BertPreTokenizer

TARGET = Path(__file__).resolve().parents[2] / "tfglue" / "data" / "unicode_ranges.py"
HEADER = '''"""The character classes of BERT's tokenizer, spelled out as ranges of code points.

Written by tests/reference/make_unicode_ranges.py. The categories are those of Unicode 8.0, which
the `tokenizers` library froze. Ranges, not ``\\\\p{Mn}`` and its like, keep token ids the same
whatever Unicode version a TensorFlow, or a server, brings along.
"""
'''
FOOTER = '''

def character_class(*ranges: str) -> str:
    """The RE2 character class that matches one character of any of the given range lists."""
    ends = [span.split("-") for part in ranges for span in part.split()]
    return "[" + "".join("-".join(f"\\\\x{{{code}}}" for code in span) for span in ends) + "]"
'''


def code_points() -> list[int]:
    """Every code point that a string can hold."""
    return [*range(0xD800), *range(0xE000, 0x110000)]


def character_sets() -> dict[str, set[int]]:
    """The code points of each class, found by normalising and splitting ``a?b``."""
    clean = BertNormalizer(
        clean_text=True, handle_chinese_chars=False, strip_accents=False, lowercase=False
    )
    isolate = BertNormalizer(
        clean_text=False, handle_chinese_chars=True, strip_accents=False, lowercase=False
    )
    strip = BertNormalizer(
        clean_text=False, handle_chinese_chars=False, strip_accents=True, lowercase=False
    )
    splitter = BertPreTokenizer()
    sets: dict[str, set[int]] = {
        name: set()
        for name in ("DELETED", "WHITESPACE", "IDEOGRAPHS", "PUNCTUATION", "NONSPACING_MARKS")
    }
    for code in code_points():
        text = f"a{chr(code)}b"
        if clean.normalize_str(text) == "ab":
            sets["DELETED"].add(code)
        elif clean.normalize_str(text) == "a b":
            sets["WHITESPACE"].add(code)
        if isolate.normalize_str(text) == f"a {chr(code)} b":
            sets["IDEOGRAPHS"].add(code)
        if len(splitter.pre_tokenize_str(text)) == 3:
            sets["PUNCTUATION"].add(code)
        if strip.normalize_str(text) == "ab":
            sets["NONSPACING_MARKS"].add(code)
    return sets


def format_ranges(codes: Iterable[int]) -> list[str]:
    """Sorted code points as ``0300-036F`` or ``05BF``."""
    spans: list[list[int]] = []
    for code in sorted(codes):
        if spans and spans[-1][1] == code - 1:
            spans[-1][1] = code
        else:
            spans.append([code, code])
    return [f"{low:04X}" + (f"-{high:04X}" if high > low else "") for low, high in spans]


def module_text() -> str:
    """The whole text of tfglue/data/unicode_ranges.py."""
    parts = [HEADER]
    for name, codes in character_sets().items():
        lines = [""]
        for span in format_ranges(codes):
            if len(lines[-1]) + len(span) > 90:
                lines.append("")
            lines[-1] += span + " "
        lines[-1] = lines[-1].rstrip()
        quoted = [f'"{line}"' for line in lines]
        body = quoted[0] if len(lines) == 1 else "\n    ".join(["(", *quoted]) + "\n)"
        parts.append(f"\n{name} = {body}\n")
    return "".join(parts) + FOOTER


if __name__ == "__main__":
    TARGET.write_text(module_text(), encoding="utf-8")
