"""What is freed goes back to the system, and garbage is still found."""

from __future__ import annotations

import platform
import subprocess
import sys

PROGRAM = """
import sys
from connector.cli.heap import LARGE_BYTES, give_large_blocks_back

def resident():
    return int(open("/proc/self/statm").read().split()[1]) * 4096

if sys.argv[1] == "set":
    give_large_blocks_back()
for _ in range(3):
    blocks = [bytearray(b"x") * (LARGE_BYTES + 1000 * (number % 60)) for number in range(600)]
    kept = blocks[::30]  # what is still in use, here and there between them
    del blocks
print(resident())
"""


def resident_bytes(argument: str) -> int:
    done = subprocess.run(
        [sys.executable, "-c", PROGRAM, argument], capture_output=True, check=True, timeout=60
    )
    return int(done.stdout)


def test_large_blocks_that_are_freed_are_given_back_although_others_between_them_are_in_use() -> None:
    """On glibc; elsewhere it does nothing and harms nothing."""
    given_back = resident_bytes("set")
    assert given_back > 0
    if platform.libc_ver()[0] == "glibc":
        assert resident_bytes("leave") - given_back > 20_000_000


GARBAGE = """
from connector.cli.heap import look_for_garbage_seldom

class Ring:
    freed = 0
    def __init__(self):
        self.itself = self
    def __del__(self):
        Ring.freed += 1

look_for_garbage_seldom()
for _ in range(50_000):
    Ring()
print(Ring.freed)
"""


def test_cyclic_garbage_is_found_without_being_asked_for() -> None:
    done = subprocess.run([sys.executable, "-c", GARBAGE], capture_output=True, check=True, timeout=60)
    assert 0 < 50_000 - int(done.stdout) < 20_000
