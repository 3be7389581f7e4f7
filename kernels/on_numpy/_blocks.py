"""Long element-wise chains run block by block, so that their temporaries stay in the cache."""

from collections.abc import Iterator
from typing import Any

import numpy as np

#: Elements per block: 256 KB of float32, an L2 cache. A NumPy call costs about a microsecond, so
#: much smaller blocks lose (Adam on 670,000 parameters: 8k 2.3 ms, 16k 1.7 ms, 64k 1.4 ms, and
#: whole-array temporaries 1.5 ms with 2.7 MB allocated each; bench/kernels.py measures it again).
BLOCK = 65536


def blocks(*arrays: Any) -> Iterator[tuple[Any, ...]]:
    """Yield matching flat pieces of C-contiguous arrays of one size, and a scratch piece."""
    size = arrays[0].size
    flat = [a.reshape(-1) for a in arrays]
    scratch = np.empty(min(BLOCK, size), arrays[0].dtype)
    for start in range(0, size, BLOCK):
        stop = min(start + BLOCK, size)
        yield *(a[start:stop] for a in flat), scratch[: stop - start]
