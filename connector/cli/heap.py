"""How this process's memory is given back, and when it is looked through for garbage."""

from __future__ import annotations

import ctypes
import gc

_M_MMAP_THRESHOLD = -3
LARGE_BYTES = 65_536

_GARBAGE_AFTER = 10_000


def give_large_blocks_back() -> None:
    """Has blocks of `LARGE_BYTES` and more go back to the system as soon as they are freed, where the C library is glibc.

    By default glibc learns to keep such blocks on its heap, where records of 100 KB and more leave gaps that nothing
    fits: memory was seen to grow for as long as they came.
    """
    mallopt = getattr(ctypes.CDLL(None), "mallopt", None)
    if mallopt is not None:
        mallopt(_M_MMAP_THRESHOLD, LARGE_BYTES)


def look_for_garbage_seldom() -> None:
    """Has Python look for cyclic garbage once in 10,000 new objects, and never among what is there now.

    By default it looks once in 700, which the objects of a few dozen calls at a time are by themselves: in vain, for hardly
    anything of theirs is cyclic. To be called when all is imported.
    """
    gc.collect()
    gc.freeze()
    gc.set_threshold(_GARBAGE_AFTER)
