"""The connector with a bug planted: its lease never runs out. To be run as `python -m connector` is."""

from __future__ import annotations

from connector.cli import main
from connector.delivery.lease import Lease


def _is_never_over(self: Lease, now: float) -> bool:
    """A lease that is held until it is given up, however long ago it was renewed."""
    return self._renewed_at > float("-inf")


Lease.holds = _is_never_over  # type: ignore[method-assign]

if __name__ == "__main__":
    main()
