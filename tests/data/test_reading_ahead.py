"""Reading ahead changes when things are read, and nothing else."""

import threading
import time
from itertools import count, islice

import pytest

from tfglue.data.reading_ahead import in_order


def test_parts_come_in_order_however_long_each_takes():
    def read(part):
        time.sleep(0.01 * (part % 3 == 0))
        return part * part

    assert list(in_order(read, range(20), ahead=5)) == [n * n for n in range(20)]
    assert list(in_order(read, [])) == []


def test_no_more_than_asked_for_is_read_ahead():
    taken = []
    stream = in_order(taken.append, count(), ahead=3)
    for used in range(1, 6):
        next(stream)
        assert len(taken) <= used + 3
    stream.close()
    assert len(taken) <= 8


def test_others_read_while_one_is_used():
    begun = threading.Event()

    def read(part):
        if part == 1:
            begun.set()

    stream = in_order(read, range(3))
    next(stream)
    assert begun.wait(5)  # Nobody asked for it yet.


def test_what_reading_raises_comes_where_its_part_would():
    def read(part):
        return 1 / (2 - part)

    stream = in_order(read, range(9))
    assert list(islice(stream, 2)) == [0.5, 1.0]
    with pytest.raises(ZeroDivisionError):
        next(stream)
