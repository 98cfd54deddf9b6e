"""The page on adapters says what the declarations say."""

import re
from dataclasses import asdict
from pathlib import Path

from tfglue.adapters import ADAPTERS, EncoderShape, read_adapter

PAGE = (Path(__file__).resolve().parents[2] / "docs" / "adapters.md").read_text(encoding="utf-8")
BERT_BASE = EncoderShape(hidden_dim=768, num_layers=12, intermediate_dim=3072, num_heads=12)


def table() -> str:
    rows = ["| adapter | settings | starts as | parameters |", "|---|---|---|---|"]
    for name in ADAPTERS:
        config = read_adapter(name)
        settings = ", ".join(f"{key}={value}" for key, value in asdict(config).items())
        count = config.parameter_count(BERT_BASE)
        rows.append(f"| `{name}` | {settings.lower()} | {config.start} | {count:,} |")
    return "\n".join(rows)


def test_the_table_is_that_of_the_declarations():
    between = PAGE.split("<!-- adapters -->")[1].split("<!-- /adapters -->")[0].strip()
    assert between == table()


def test_every_example_can_be_read():
    block = PAGE.split("```")[1]
    examples = [re.split(r"\s{2,}", line)[0] for line in block.strip().splitlines()]
    assert len(examples) == 5
    assert all(read_adapter(example) for example in examples)
