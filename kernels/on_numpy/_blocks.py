"""Long element-wise chains run block by block, so that their temporaries stay in the cache."""

import threading
from collections.abc import Iterator
from typing import Any

import numpy as np

#: Elements per block: 256 KB of float32, an L2 cache. A NumPy call costs about a microsecond, so
#: much smaller blocks lose; whole-array temporaries cost an allocation as large as the parameters.
BLOCK = 65536

#: A scratch block of each dtype, for each thread: the system hands out a new one page by page.
_kept = threading.local()


def blocks(*arrays: Any, room: int = 1) -> Iterator[tuple[Any, ...]]:
    """Yield matching flat pieces of C-contiguous arrays of one size, and ``room`` scratch pieces.

    More scratch pieces are smaller ones, together no larger than one.
    """
    size, dtype = arrays[0].size, arrays[0].dtype
    flat = [a.reshape(-1) if a.ndim != 1 else a for a in arrays]
    kept: dict[Any, Any] = vars(_kept)
    scratch = kept.pop(dtype, None)  # taken out while in use, as one kernel may call another
    block = min(BLOCK // room, size)
    if scratch is None or scratch.size < room * block:
        scratch = np.empty(room * block, dtype)
    for start in range(0, size, block or 1):
        stop = min(start + block, size)
        pieces = (scratch[i * block :][: stop - start] for i in range(room))
        yield *(a[start:stop] for a in flat), *pieces
    kept[dtype] = scratch
