"""Bytes of activations: round trips within the rounding of each type."""

import numpy as np
import pytest

from tfglue.activations.store_form import StoreForm

LARGE_AND_SMALL = np.array([1, 30, 0.01])[:, None]
STATES = (np.random.default_rng(0).normal(size=(9, 3, 16)) * LARGE_AND_SMALL).astype(np.float32)


# Relative to the largest unit of a token's state: half a step of the type.
@pytest.mark.parametrize(
    ("dtype", "rounding"),
    [("float32", 0), ("float16", 2**-11), ("bfloat16", 2**-8), ("int8", 0.51 / 127 + 2**-10)],
)
def test_what_is_decoded_is_what_was_encoded_but_for_rounding(dtype, rounding):
    form = StoreForm((0, 1, 2), 16, dtype)
    content = form.encode(STATES)
    assert len(content) == form.bytes_of(np.array([9]))[0]
    found = form.decode(content).astype(np.float32)
    largest = np.abs(STATES).max(axis=-1, keepdims=True)
    assert found.shape == STATES.shape
    assert np.max(np.abs(found - STATES) / largest) <= rounding


# Bytes of an example of BERT-base and BERT-large, all layers and tokens (BERTVision's table).
@pytest.mark.parametrize(
    ("shape", "length", "dtype", "expected"),
    [
        ((13, 768), 128, "float32", 5_111_808), ((13, 768), 128, "bfloat16", 2_555_904),
        ((13, 768), 128, "int8", 1_281_280), ((13, 768), 384, "bfloat16", 7_667_712),
        ((25, 1024), 128, "int8", 3_283_200), ((25, 1024), 384, "float32", 39_321_600),
        ((13, 128), 128, "bfloat16", 425_984), ((25, 128), 384, "bfloat16", 2_457_600),
    ],
)
def test_bytes_are_those_of_the_formula(shape, length, dtype, expected):
    layers, width = shape
    assert StoreForm(tuple(range(layers)), width, dtype).bytes_of(np.array([length])) == [expected]


def test_of_the_first_token_alone_a_row_keeps_one():
    form = StoreForm((0, 6), 384, tokens="first")
    assert form.bytes_of(np.array([20, 1])).tolist() == [2 * 384 * 2] * 2


def test_zeros_survive_eight_bits():
    form = StoreForm((0,), 4, "int8")
    assert np.array_equal(form.decode(form.encode(np.zeros((2, 1, 4), np.float32))),
                          np.zeros((2, 1, 4)))


def test_the_form_survives_the_manifest():
    form = StoreForm((0, 3), 8, "int8", "first")
    assert StoreForm.from_dict(form.to_dict()) == form
