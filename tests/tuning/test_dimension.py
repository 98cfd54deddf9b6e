"""Dimensions: what their texts mean, and which texts are mistakes."""

import numpy as np
import pytest

from tfglue.config import TrainConfig
from tfglue.errors import UserError
from tfglue.flags import checked
from tuning.dimension import read_dimension


def dimension(name, text, kind=float):
    def check(value):
        return checked({name: value}, TrainConfig, where="here")[name]

    return read_dimension(name, text, kind, check, "here")


def test_a_log_range_is_drawn_and_cut_evenly_by_factors():
    rate = dimension("learning_rate", "log:1e-5:1e-2")
    assert (rate.low, rate.high, rate.whole) == (1e-5, 1e-2, False)
    assert rate.points(4) == [1e-5, 1e-4, 1e-3, 1e-2]
    assert rate.position(1e-4) == pytest.approx(1 / 3)


def test_a_uniform_range_is_cut_evenly_by_steps():
    decay = dimension("weight_decay", "uniform:0:0.3")
    assert decay.points(4) == [0.0, 0.1, 0.2, 0.3]
    assert decay.position(0.15) == pytest.approx(0.5)


def test_whole_numbers_stay_whole():
    length = dimension("max_length", "int:32:128:32", int)
    assert length.points(10) == [32, 64, 96, 128] and length.points(2) == [32, 128]
    size = dimension("batch_size", "log:8:64", int)
    assert size.points(4) == [8, 16, 32, 64] and size.clean(11.7) == 11
    epochs = dimension("epochs", "int:1:3")  # A number that may have a fraction, but need not.
    assert epochs.points(9) == [1, 2, 3]


def test_choices_have_the_type_of_their_setting():
    assert dimension("batch_size", "choice:32,16", int).values == (16, 32)
    assert dimension("learning_rate", "choice:2e-5,1e-5").values == (1e-5, 2e-5)
    assert dimension("schedule", "choice:linear,constant", str).values == ("linear", "constant")
    assert dimension("balance", "choice:true,false", bool).values == ("true", "false")


def test_choices_with_commas_are_set_apart_by_bars():
    heads = dimension("head", "choice:linear|adapter_pooler:size=8,skip=true", str)
    assert heads.values == ("linear", "adapter_pooler:size=8,skip=true")
    assert dimension("head", str(heads), str) == heads


@pytest.mark.parametrize(
    ("name", "text", "kind"),
    [("learning_rate", "log:1e-05:0.001", float), ("weight_decay", "uniform:0:0.3", float),
     ("weight_decay", "uniform:0:0.123456789", float),
     ("max_length", "int:32:128:32", int), ("batch_size", "log:8:64", int),
     ("learning_rate", "choice:1e-05,0.001", float), ("schedule", "choice:linear,constant", str)],
)  # fmt: skip
def test_the_text_of_a_dimension_reads_as_the_same(name, text, kind):
    assert str(dimension(name, text, kind)) == text


def test_a_range_may_begin_where_its_setting_may_not():
    rate = dimension("learning_rate", "uniform:0:3e-5")  # BERTVision's; 0 is no learning rate.
    assert rate.low == pytest.approx(3e-8) and rate.high == 3e-5


@pytest.mark.parametrize("text", ["log:1.2345678e-5:1e-3", "uniform:0:0.31415"])
def test_values_of_32_bits_are_cleaned_to_the_same(text):
    one = dimension("weight_decay", text)
    for share in np.random.default_rng(0).uniform(size=1000):
        value = one.clean(one.low * (one.high / one.low) ** share if one.low else share * one.high)
        assert one.clean(float(np.float32(value))) == value
        assert one.low <= value <= one.high


@pytest.mark.parametrize(
    ("name", "text", "kind", "message"),
    [
        ("learning_rate", "lg:1:2", float, "did you mean 'log'?"),
        ("learning_rate", "log", float, "expected log:LOW:HIGH"),
        ("learning_rate", "log:1e-5", float, "expected log:LOW:HIGH, not 'log:1e-5'"),
        ("learning_rate", "log:1e-5:1e-3:2", float, "expected log:LOW:HIGH"),
        ("learning_rate", "log:1e-3:1e-5", float, "reversed range; did you mean log:1e-5:1e-3?"),
        ("learning_rate", "log:1e-3:1e-3", float, "an empty range; give one value as"),
        ("learning_rate", "log:0:1e-3", float, "log needs ends above 0"),
        ("learning_rate", "log:a:b", float, "expected a number, not 'a'"),
        ("learning_rate", "log:1e-5:nan", float, "expected a number, not 'nan'"),
        ("learning_rate", "log:1e-5:1e9", float, "learning_rate: must be at most 100"),
        ("weight_decay", "uniform:-1:1", float, "weight_decay: must be at least 0"),
        ("batch_size", "uniform:8:16", int, "expected int:8:16 or log:8:16"),
        ("batch_size", "int:8:16.5", int, "expected a whole number, not '16.5'"),
        ("batch_size", "int:8:99999999999999999999", int, "of at most 2147483647, not '9999999"),
        ("batch_size", "log:8:1e12", int, "of at most 2147483647, not '1e12'"),
        ("batch_size", "int:8:16:0", int, "expected a step from 1 to 8, not 0"),
        ("batch_size", "int:8:16:9", int, "expected a step from 1 to 8, not 9"),
        ("batch_size", "choice:8,8", int, "8 is given twice"),
        ("batch_size", "choice:8", int, "one value is no choice"),
        ("batch_size", "choice:", int, "expected choice:A,B,..."),
        ("batch_size", "choice:8,x", int, "batch_size: expected a whole number, not 'x'"),
        ("schedule", "uniform:0:1", str, "schedule is no number; expected choice"),
        ("schedule", "choice:linear,konstant", str, "did you mean 'constant'?"),
        ("balance", "choice:yes,no", bool, "expected true or false, not 'yes'"),
    ],
)  # fmt: skip
def test_mistakes_say_where_and_what(name, text, kind, message):
    with pytest.raises(UserError) as error:
        dimension(name, text, kind)
    assert message in str(error.value) and str(error.value).startswith("here")
