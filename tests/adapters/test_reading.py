"""Adapters as text and as published files, and how many parameters they add."""

import json
import math

import pytest

from tfglue.adapters import EncoderShape, read_adapter
from tfglue.adapters.lora import LoraConfig
from tfglue.adapters.pal import PalConfig
from tfglue.adapters.reading import SHIPPED
from tfglue.errors import UserError

BERT_BASE = EncoderShape(hidden_dim=768, num_layers=12, intermediate_dim=3072, num_heads=12)
BERT_BASE_PARAMETERS = 109_482_240

# The table of published sizes for one of eight tasks, and for all of them.
PUBLISHED = {
    "pals_config.json": ("pal", 1_819_836, 14_558_688),
    "low_rank_config.json": ("low_rank", 1_853_616, 14_828_928),
    "houlsby_config.json": ("houlsby", 1_862_832, 14_902_656),
    "houlsby_plus_pals_config.json": ("houlsby_pal", 2_053_668, 16_429_344),
    "top_attn_config.json": ("top_attention", 1_320_444, 10_563_552),
    "top_bert_layer_config.json": ("top_layer", 7_087_872, 56_702_976),
}
NOT_PUBLISHED = {"lhuc": (9_216, 73_728), "bottleneck": (2_379_264, 19_034_112)}


def built_count(config):
    weights = config.build(BERT_BASE).named_weights().values()
    return sum(math.prod(weight.shape) for weight in weights)


@pytest.mark.parametrize("file", PUBLISHED)
def test_published_files_give_the_published_counts(file):
    name, per_task, eight_tasks = PUBLISHED[file]
    config = read_adapter(file)
    assert config.name == name
    assert config == read_adapter(str(SHIPPED / file))
    # What a file sets is what we have as defaults.
    assert config == read_adapter(name)
    assert config.parameter_count(BERT_BASE) == per_task == built_count(config)
    assert 8 * config.parameter_count(BERT_BASE) == eight_tasks


@pytest.mark.parametrize("name", NOT_PUBLISHED)
def test_counts_of_adapters_without_a_file(name):
    per_task, eight_tasks = NOT_PUBLISHED[name]
    config = read_adapter(name)
    assert config.parameter_count(BERT_BASE) == per_task == built_count(config)
    assert 8 * per_task == eight_tasks


def test_pals_for_eight_tasks_add_an_eighth_to_bert():
    added = 8 * read_adapter("pal").parameter_count(BERT_BASE)
    assert round(1 + added / BERT_BASE_PARAMETERS, 3) == 1.133


def test_all_shipped_files_are_published_ones():
    assert {path.name for path in SHIPPED.glob("*")} == set(PUBLISHED)


def test_text_sets_what_it_names_and_leaves_the_rest():
    assert read_adapter("none") is None and read_adapter(" None ") is None
    assert read_adapter("pal") == PalConfig()
    assert read_adapter("pal: size=60, heads=12") == PalConfig(size=60, heads=12)
    assert read_adapter("pal:lhuc=true") == PalConfig(lhuc=True)
    lora = read_adapter("lora:rank=8,alpha=16,targets=query+value")
    assert lora == LoraConfig(rank=8, alpha=16.0, targets="query+value")


@pytest.mark.parametrize(
    ("layers", "chosen"),
    [("all", tuple(range(12))), ("0+1+2", (0, 1, 2)), ("3-5+0", (0, 3, 4, 5)), ("11", (11,))],
)
def test_layers_are_numbers_and_ranges(layers, chosen):
    assert read_adapter(f"pal:layers={layers}").layer_indices(12) == chosen


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("pals", "unknown adapter 'pals'; did you mean 'pal'"),
        ("pal:sise=3", "--adapter pal: unknown key 'sise'; did you mean 'size'"),
        ("pal:size=0", "size: must be at least 1"),
        ("pal:size=big", "size: expected a whole number, not 'big'"),
        ("pal:size=204,heads=7", "size 204 is not a multiple of heads 7"),
        ("top_attention:size=100", "size 100 is not a multiple of heads 12"),
        ("pal:size", "expected key=value, not 'size'"),
        ("pal:", "expected key=value"),
        ("pal:size=6,size=12", "size is given twice"),
        ("pal:lhuc=perhaps", "lhuc: expected true or false"),
        ("pal:layers=1+x", "expected all, or numbers and ranges"),
        ("pal:layers=5-3", "expected all, or numbers and ranges"),
        ("top_layer:layers=0", "unknown key 'layers'"),
        ("bottleneck:activation=gellu", "did you mean 'gelu'"),
        ("lora:targets=query+valu", "unknown projection 'valu'; did you mean 'value'"),
        ("pal_config.json", "no file pal_config.json.*did you mean 'pals_config.json'"),
    ],
)
def test_mistakes_are_named(text, message):
    with pytest.raises(UserError, match=message) as error:
        read_adapter(text)
    assert "\n" not in str(error.value)


def test_a_layer_that_the_encoder_lacks_is_named_when_the_adapter_is_built():
    with pytest.raises(UserError, match="there is no layer 12; this encoder has layers 0 to 11"):
        read_adapter("pal:layers=0+12").build(BERT_BASE)


@pytest.mark.parametrize(
    ("content", "expected"),
    [
        ({"mult": True, "pals": True, "hidden_size_aug": 60, "lhuc": True},
         "pal:size=60,lhuc=true"),
        ({"mult": True, "hidden_size_aug": 204, "extra_dim": 30}, "low_rank:size=30"),
        ({"mult": True}, "low_rank:size=204"),
        ({"mult": True, "lhuc": True, "hidden_size_aug": None}, "low_rank:size=204,lhuc=true"),
        ({"houlsby": True, "mult": True, "hidden_size_aug": 20}, "houlsby:size=20"),
        ({"houlsby": True, "pals": True, "hidden_size_aug": 60},
         "houlsby_pal:size=60,low_rank_size=60"),
        ({"lhuc": True}, "lhuc"),
        ({"top": True, "hidden_size_aug": 60}, "top_attention:size=60"),
        ({"hidden_size": 768, "num_tasks": 8}, "none"),
        ({"pals": True, "mult": False}, "none"),
    ],
)
def test_files_say_what_the_code_makes_of_them(tmp_path, content, expected):
    path = tmp_path / "own.json"
    path.write_text(json.dumps(content), encoding="utf-8")
    assert read_adapter(str(path)) == read_adapter(expected)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ('{"mult": true, "pal": true}', "unknown key 'pal'; did you mean 'pals'"),
        ('{"mult": 1}', "mult: expected true or false, not '1'"),
        ('{"top": true, "mult": true}', "mult, top do not go together"),
        ('{"houlsby": true, "lhuc": true}', "houlsby, lhuc do not go together"),
        ('{"mult": true, "pals": true, "hidden_size_aug": 200}', "not a multiple of heads 6"),
        ('{"mult": true, "hidden_size_aug": "wide"}', "size: expected a whole number"),
        ('["mult"]', "expected a JSON object"),
        ("mult", "not valid JSON"),
    ],
)
def test_files_that_say_something_else_are_refused(tmp_path, text, message):
    path = tmp_path / "own.json"
    path.write_text(text, encoding="utf-8")
    with pytest.raises(UserError, match=message):
        read_adapter(str(path))
