"""ONE workspace, wired: the table of contents of the program.

    workspace.py    its life, and what others see of it
    deliveries.py   source → pump → mapping → dispatcher → quota → SEEN → settler → results sink
    callbacks.py    the listener's door → callbacks sink, or the spool and from there the callbacks sink

Its videos: outcomes and videos topics → ledger → look-ups → results sink (`connector.videos`).
"""

from connector.workspace.surroundings import Surroundings
from connector.workspace.workspace import Workspace

__all__ = ["Surroundings", "Workspace"]
