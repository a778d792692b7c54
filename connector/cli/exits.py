"""The exit codes of every command. 0 is a good end."""

from __future__ import annotations

FAILED = 1
"""It started, and then could not do what was asked."""

UNUSABLE = 2
"""The configuration or the command line cannot be used; nothing was started. Click exits so, too."""
