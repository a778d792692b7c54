"""The exit codes of every command."""

from __future__ import annotations

OK = 0
FAILED = 1
"""It started, and then could not do what was asked."""

UNUSABLE = 2
"""The configuration or the command line cannot be used; nothing was started. Click exits so, too."""
