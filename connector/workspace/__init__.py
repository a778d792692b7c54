"""ONE workspace, wired: the table of contents of the program.

    workspace.py    its life, and what others see of it
    export.py       its videos on their way to Braze: a life of its own
    route.py        where an engine reads and where it sends: from the sources to SEEN, from the videos topic to Braze
    deliveries.py   an engine: source → pump → mapping → dispatcher → quota → API → settler → results sink
    topics.py       what its topics must take
    callbacks.py    the listener's doors → callbacks sink, or the spool and from there the callbacks sink

Its videos: outcomes and videos topics → ledger → look-ups → results sink (`connector.videos`).
"""

from connector.workspace.callbacks import braze_doors
from connector.workspace.export import Export
from connector.workspace.surroundings import Surroundings
from connector.workspace.workspace import Workspace

__all__ = ["Export", "Surroundings", "Workspace", "braze_doors"]
