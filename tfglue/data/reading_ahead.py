"""Reading while what was read before is used."""

from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from typing import TypeVar

Part = TypeVar("Part")
Content = TypeVar("Content")


def in_order(
    read: Callable[[Part], Content], parts: Iterable[Part], ahead: int = 2
) -> Iterator[Content]:
    """What `read` makes of each part, in order, a few parts ahead in another thread.

    Files and TensorFlow need no Python lock, so that reading and use overlap. Raises what `read`
    raises, where its part would come.

    Args:
        read: is called in the order of the parts, one call after the other.
        parts: of which at most `ahead` more are taken than were asked for, so memory is bounded.
        ahead: parts that are read or wait to be used.
    """
    waiting: deque[Future[Content]] = deque()
    with ThreadPoolExecutor(1) as pool:
        for part in parts:
            waiting.append(pool.submit(read, part))
            if len(waiting) > ahead:
                yield waiting.popleft().result()
        while waiting:
            yield waiting.popleft().result()
