"""Windows over token sequences that are longer than a row may be."""

from dataclasses import dataclass

import numpy as np


@dataclass(frozen=True)
class Windows:
    """Windows over sequences, those of one sequence side by side.

    Args:
        sequence: int64 (windows,), the sequence that each window shows.
        starts: int64 (windows,), its first token in the sequence.
        lengths: int64 (windows,), how many tokens it shows.
    """

    sequence: np.ndarray
    starts: np.ndarray
    lengths: np.ndarray

    def __len__(self) -> int:
        return len(self.sequence)

    def take(self, windows: np.ndarray) -> "Windows":
        """The chosen windows."""
        return Windows(self.sequence[windows], self.starts[windows], self.lengths[windows])

    def places(self) -> tuple[np.ndarray, np.ndarray]:
        """For every token shown, window after window: its window, and its place in the sequence."""
        window = np.repeat(np.arange(len(self)), self.lengths)
        first = np.cumsum(self.lengths) - self.lengths
        return window, np.arange(len(window)) - first[window] + self.starts[window]

    def most_context(self) -> np.ndarray:
        """bool (tokens shown,): whether no other window shows more context around the token.

        A token stands best in the window with the largest smaller side, longer windows winning by
        a hundredth of their length, and the earliest of equals, as in Google's BERT code. So every
        token is best in one window.
        """
        window, place = self.places()
        within = place - self.starts[window]
        length = self.lengths[window]
        score = np.minimum(within, length - within - 1) + 0.01 * length
        key = np.lexsort((window, -score, place, self.sequence[window]))
        sequence, place = self.sequence[window][key], place[key]
        first = np.ones(len(key), bool)
        first[1:] = (sequence[1:] != sequence[:-1]) | (place[1:] != place[:-1])
        best = np.zeros(len(key), bool)
        best[key[first]] = True
        return best


def cut_windows(lengths: np.ndarray, room: np.ndarray, stride: int) -> Windows:
    """Cuts sequences into windows; every token is shown, an empty sequence has one empty window.

    Args:
        lengths: tokens of each sequence.
        room: tokens that a window of each sequence may show, at least 1.
        stride: tokens from the beginning of a window to the next, cut to the room.
    """
    step = np.minimum(room, stride)
    counts = 1 + np.maximum(0, -(-(lengths - room) // step))
    sequence = np.repeat(np.arange(len(lengths)), counts)
    number = np.arange(len(sequence)) - np.repeat(np.cumsum(counts) - counts, counts)
    starts = number * step[sequence]
    return Windows(sequence, starts, np.minimum(room[sequence], lengths[sequence] - starts))
