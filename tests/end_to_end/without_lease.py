"""The connector with two bugs planted: its lease never runs out, and so much may leave without an account that this
bounds nothing either. To be run as `python -m connector` is.

The account alone ends an owner that is cut off: what the quota has for two seconds may leave beyond the last commit.
"""

from __future__ import annotations

from connector.cli import main
from connector.delivery.lease import Lease
from connector.seen.limits import QuotaLimits


def _is_never_over(self: Lease, now: float) -> bool:
    """A lease that is held until it is given up, however long ago it was renewed."""
    return self._renewed_at > float("-inf")


Lease.holds = _is_never_over  # type: ignore[method-assign]
QuotaLimits.ahead = 100  # type: ignore[method-assign, assignment]

if __name__ == "__main__":
    main()
