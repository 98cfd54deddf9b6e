"""Termination outside of training is an interrupt."""

import os
import signal

import pytest

from tfglue.training.stop_signal import stopped_as_interrupted


def test_termination_interrupts_while_the_block_runs():
    before = signal.getsignal(signal.SIGTERM)
    with pytest.raises(KeyboardInterrupt), stopped_as_interrupted():
        os.kill(os.getpid(), signal.SIGTERM)
        signal.pause()
    assert signal.getsignal(signal.SIGTERM) is before
