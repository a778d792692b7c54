"""How this process's memory is given back."""

from __future__ import annotations

import ctypes

_M_MMAP_THRESHOLD = -3
LARGE_BYTES = 65_536


def give_large_blocks_back() -> None:
    """Has blocks of `LARGE_BYTES` and more go back to the system as soon as they are freed, where the C library is glibc.

    By default glibc learns to keep such blocks on its heap, where records of 100 KB and more leave gaps that nothing
    fits: memory was seen to grow for as long as they came.
    """
    mallopt = getattr(ctypes.CDLL(None), "mallopt", None)
    if mallopt is not None:
        mallopt(_M_MMAP_THRESHOLD, LARGE_BYTES)
