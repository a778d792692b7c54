"""SEEN as its documents describe it, over real HTTP: a second reading of the facts that shares no code with the first.

Read `settings`, `workspaces` (what SEEN answers), `grants` (who may ask), `arrivals` (how the limit is counted),
`journey` (videos and their callbacks), `tokens` (with which right), `braze` (what Braze answers), `images` (hosts of images, good and faulty), `faults` and
`mishaps` (what may go wrong with requests, with journeys), `viewings` (what viewers do), `emulation` (all of that, to script
and to ask), `server` and `control` (the routes), `port` (where they are served, or not); `emulator` holds it together.
"""

from connector.sandbox.emulator.arrivals import Arrival
from connector.sandbox.emulator.braze import TrackRequest
from connector.sandbox.emulator.emulator import Emulator
from connector.sandbox.emulator.faults import Fault
from connector.sandbox.emulator.journey import CallbackMade
from connector.sandbox.emulator.mishaps import Mishap
from connector.sandbox.emulator.settings import (
    BrazeSettings,
    Callback,
    EmulatorSettings,
    OAuthClient,
    Quota,
    TokenClient,
    WorkspaceSettings,
    basic,
    bearer,
)
from connector.sandbox.emulator.viewings import Viewing

__all__ = [
    "Arrival",
    "BrazeSettings",
    "Callback",
    "CallbackMade",
    "Emulator",
    "EmulatorSettings",
    "Fault",
    "Mishap",
    "OAuthClient",
    "Quota",
    "TokenClient",
    "TrackRequest",
    "Viewing",
    "WorkspaceSettings",
    "basic",
    "bearer",
]
