"""What a run costs, against counts that others have published or that formulas give."""

import pytest

from tests.adapters.adapted_model import adapted_model
from tfglue.adapters import EncoderShape, read_adapter
from tfglue.budget import Budget
from tfglue.errors import UserError

BERT_BASE = EncoderShape(hidden_dim=768, num_layers=12, intermediate_dim=3072, num_heads=12)
WORDS, POSITIONS, SEGMENTS = 30_522, 512, 2
# Classes of the eight tasks that Stickland and Murray (2019) train together.
CLASSES = dict(cola=2, mrpc=2, mnli=3, rte=2, stsb=1, sst=2, qqp=2, qnli=2)


def bert_base_parts() -> dict[str, int]:
    """Parameters of BERT-base by Devlin et al. 2019."""
    width, inner = 768, 3072
    attention = 4 * (width * width + width)
    feed_forward = width * inner + inner + inner * width + width
    return {
        "embeddings": (WORDS + POSITIONS + SEGMENTS) * width + 2 * width,
        "layers": 12 * (attention + feed_forward + 4 * width),
        "pooler": width * width + width,
    }


def eight_tasks(adapter: str, frozen: bool = False) -> Budget:
    parts = bert_base_parts()
    config = read_adapter(adapter)
    own = {f"heads.{task}": count * 769 for task, count in CLASSES.items()}
    if config:
        own |= {f"adapters.{task}": config.parameter_count(BERT_BASE) for task in CLASSES}
    return Budget(parts | own, own if frozen else parts | own)


# Columns: parameters that eight tasks add, and the whole against BERT-base, as published.
@pytest.mark.parametrize(
    ("adapter", "added", "times"),
    [
        ("pals_config.json", 14_558_688, "1.133"),
        ("low_rank_config.json", 14_828_928, "1.135"),
        ("houlsby_config.json", 14_902_656, "1.136"),
        ("houlsby_plus_pals_config.json", 16_429_344, "1.150"),
        ("top_attn_config.json", 10_563_552, "1.096"),
        ("top_layer", 56_702_976, "1.518"),
        ("lhuc", 73_728, "1.0007"),
    ],
)
def test_the_times_of_one_model_are_those_of_the_papers_configurations(adapter, added, times):
    budget = eight_tasks(adapter)
    adapters = sum(n for name, n in budget.parts.items() if name.startswith("adapters."))
    assert adapters == added
    assert budget.total == 109_482_240 + added + 12_304
    assert budget.separate == 8 * 109_482_240 + 12_304
    # Published without heads; ours counts them on both sides.
    digits = len(times) - 2
    assert f"{(budget.total - 12_304) / 109_482_240:.{digits}f}" == times
    assert budget.times_one_model == (109_482_240 + added + 12_304) / (109_482_240 + 1_538)
    assert budget.times_one_model == pytest.approx(float(times), abs=6e-4)


def test_eight_pals_take_a_seventh_of_eight_models():
    budget = eight_tasks("pals_config.json", frozen=True)
    assert "8 models of their own would be 7.06 x this" in budget.comparison
    assert budget.trained == 14_558_688 + 12_304
    assert budget.of_task("mnli") == 1_819_836 + 3 * 769


def test_models_without_adapters_are_one_model_each():
    parts = bert_base_parts() | {"heads.sst": 1538}
    single = Budget(parts, parts)
    assert single.times_one_model == 1 and single.separate == single.total
    assert len(single.lines()) == 5
    assert eight_tasks("none").times_one_model == pytest.approx(1, abs=1e-3)


def test_the_table_on_the_screen_stays_short_with_many_tasks():
    lines = eight_tasks("pal", frozen=True).lines()
    assert len(lines) == 7 and max(map(len, lines)) <= 100
    assert lines[1].split() == ["embeddings", "23,837,184", "frozen"]
    assert lines[4].split()[:3] == ["adapters", "14,558,688", "trained:"]
    assert "8 x 1,819,836" in lines[4]
    assert "mnli 2,307, 6 x 1,538, stsb 769" in lines[5]


def test_the_card_has_a_row_for_every_part():
    rows = eight_tasks("pal", frozen=True).table()
    assert len(rows) == 2 + 3 + 16 + 1
    assert "| adapter of rte | 1,819,836 | 1.47% | 1,819,836 | 7.28 |" in rows
    assert "| encoder: pooler | 590,592 | 0.48% | 0 | 2.36 |" in rows


def test_it_counts_a_model_and_survives_run_yaml(tmp_path):
    model = adapted_model("low_rank")
    model.encoder.trainable = False
    budget = Budget.of(model)
    own = {name: count for name, count in budget.parts.items() if "." in name}
    assert budget.trained_parts == own
    stored = {"parameters": budget.to_dict()}
    assert Budget.stored(stored, tmp_path / "run.yaml") == budget
    for damaged in ({}, {"parameters": {"total": 3}}, {"parameters": {"parts": [1]}}):
        with pytest.raises(UserError, match=r"run\.yaml: parameters"):
            Budget.stored(damaged, tmp_path / "run.yaml")


def test_training_holds_checkpoints_and_an_average_one_set_more():
    budget = eight_tasks("none")
    finished, most = budget.bytes_of_run(kept_epochs=2, averaged=False)
    assert finished == 3 * 4 * budget.total
    # Weights, two slots, the best ones; two checkpoints and the one being written.
    assert most - finished == 3 * 4 * 4 * budget.total
    assert budget.bytes_of_run(2, averaged=True)[1] - most == 3 * 4 * budget.total


def test_parts_come_and_go():
    budget = Budget.of(adapted_model("low_rank"))
    more = budget.with_parts({"adapters.x": 5, "heads.x": 7})
    assert more.total == budget.total + 12 and more.of_task("x") == 12
    assert more.trained == budget.trained + 12 and more.without_task("x") == budget
