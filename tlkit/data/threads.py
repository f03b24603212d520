"""Work done ahead of its use, in threads, in order."""

import os
from collections import deque
from collections.abc import Callable, Generator, Iterable
from concurrent.futures import ThreadPoolExecutor
from itertools import islice
from typing import TypeVar

Item = TypeVar("Item")
Result = TypeVar("Result")


def ahead(
    work: Callable[[Item], Result], items: Iterable[Item], *, workers: int, depth: int
) -> Generator[Result, None, None]:
    """`work` of each item, in the order of `items`, with at most `depth` under way or waiting.

    `workers` 0 means one a core. The threads end when the last result is taken, when `work` raises
    and when the caller stops early.
    """
    remaining = iter(items)
    pool = ThreadPoolExecutor(workers or os.cpu_count(), thread_name_prefix="tlkit")
    try:
        pending = deque(pool.submit(work, item) for item in islice(remaining, depth))
        while pending:
            result = pending.popleft().result()
            pending.extend(pool.submit(work, item) for item in islice(remaining, 1))
            yield result
    finally:
        pool.shutdown(wait=True, cancel_futures=True)
