"""What SEEN knows and does, without a network: what tests script and ask, and what the control routes call."""

from __future__ import annotations

import random
from collections import Counter
from typing import TYPE_CHECKING

from connector.clock import SystemClock
from connector.sandbox.emulator.arrivals import Arrival, ArrivalLog
from connector.sandbox.emulator.braze import Braze
from connector.sandbox.emulator.campaigns import Campaign
from connector.sandbox.emulator.faults import Fault, Faults
from connector.sandbox.emulator.images import ImageHost
from connector.sandbox.emulator.journey import CallbackMade, Journeys
from connector.sandbox.emulator.mishaps import Mishap
from connector.sandbox.emulator.orders import Orders
from connector.sandbox.emulator.server import BRAZE, Server
from connector.sandbox.emulator.viewings import Viewing
from connector.sandbox.emulator.workspaces import Workspace

if TYPE_CHECKING:
    from connector.clock import Clock
    from connector.sandbox.emulator.settings import (
        Callback,
        EmulatorSettings,
        OAuthClient,
        Quota,
        WorkspaceSettings,
    )


class Emulation:
    """The state of SEEN. Methods that name a workspace raise KeyError for one that it does not have."""

    def __init__(self, settings: EmulatorSettings, clock: Clock | None = None) -> None:
        self._settings = settings
        self._clock = clock or SystemClock()
        self._workspaces = {each.id: _made(each) for each in settings.workspaces}
        chance = random.Random(settings.seed).random
        self._faults = Faults(chance)
        self._mishaps = Orders[Mishap](chance)
        self._viewings = Orders[Viewing](chance)
        self._arrivals = ArrivalLog(settings.remembered)
        self._journeys = Journeys(settings, self._clock, self._mishaps, self._viewings)
        self.images = ImageHost(self._clock, settings.remembered)
        self.braze = Braze(settings.braze, settings.remembered)

    def server(self) -> Server:
        """The API's routes over this state."""
        return Server(
            self._workspaces, self._faults, self._arrivals, self._journeys, lambda: self.braze, self._clock
        )

    def fail(self, fault: Fault) -> None:
        """Orders a fault, behind those that are ordered already."""
        self._faults.add(fault, self._clock.monotonic())

    def clear_faults(self) -> None:
        """Forgets all ordered faults; a request that is held by one stays held."""
        self._faults.clear()

    def faults(self) -> list[Fault]:
        """The faults that can still strike."""
        return self._faults.waiting(self._clock.monotonic())

    def befall(self, mishap: Mishap) -> None:
        """Orders a mishap for journeys that begin from now on, behind those that are ordered already."""
        self._mishaps.add(mishap)

    def clear_mishaps(self) -> None:
        """Forgets all ordered mishaps; journeys that began keep theirs."""
        self._mishaps.clear()

    def mishaps(self) -> list[Mishap]:
        """The mishaps that can still strike."""
        return self._mishaps.waiting()

    def watch(self, viewing: Viewing) -> None:
        """Orders what viewers do with the videos whose callbacks are answered from now on."""
        self._viewings.add(viewing)

    def clear_viewings(self) -> None:
        """Forgets all that viewers were ordered to do; who is about to act does."""
        self._viewings.clear()

    def viewings(self) -> list[Viewing]:
        """What viewers can still be made to do."""
        return self._viewings.waiting()

    def act(self, workspace: str, key: str, event: str) -> None:
        """Has a viewer of an item act now. Raises KeyError for an item that the workspace does not have, too."""
        found = self._workspaces[workspace]
        self._journeys.act(found, found.items[key], event)

    def arrivals(self, workspace: str | None = None, item: str | None = None) -> list[Arrival]:
        """The requests that arrived, oldest first: of a workspace, of an item's id, or all that are remembered."""
        return list(self._arrivals.select(workspace=workspace, item=item))

    def callbacks(self) -> list[CallbackMade]:
        """The callbacks that were made, those that told of viewers among them, oldest first."""
        return list(self._journeys.made)

    def item(self, workspace: str, key: str) -> dict[str, object] | None:
        """An item as SEEN would show it; None if it has none of this id."""
        item = self._workspaces[workspace].items.get(key)
        return item.document() if item else None

    def workspaces(self) -> list[str]:
        """The ids of the workspaces."""
        return list(self._workspaces)

    def worst_window(self, workspace: str) -> int:
        """The most requests that arrived in any one window of the quota."""
        return self._workspaces[workspace].window.worst

    def set_tokens(self, workspace: str, *tokens: str) -> None:
        """From now on these tokens open the workspace, and no others."""
        self._workspaces[workspace].tokens = tokens

    def set_clients(self, workspace: str, *clients: OAuthClient) -> None:
        """From now on these clients may fetch access tokens, and no others; tokens that are out stay good."""
        self._workspaces[workspace].clients = clients

    def revoke_tokens(self, workspace: str) -> None:
        """No access token that was issued so far opens the workspace any more."""
        self._workspaces[workspace].issued.clear()

    def issued_tokens(self, workspace: str) -> list[str]:
        """The access tokens that were issued for the workspace and not revoked, oldest first."""
        return list(self._workspaces[workspace].issued)

    def token_requests(self) -> list[Arrival]:
        """The requests for access tokens that arrived, oldest first."""
        return self.arrivals(workspace="")

    def set_quota(self, workspace: str, quota: Quota) -> None:
        """Counts by another quota from now on, from zero; the worst window begins anew too."""
        self._workspaces[workspace].set_quota(quota)

    def set_callback(self, workspace: str, callback: Callback | None) -> None:
        """Calls back there from now on; None: nowhere. A call that waits to be made again goes there too."""
        self._workspaces[workspace].callback = callback

    def set_viewer(self, workspace: str, viewer: Callback | None) -> None:
        """Calls there from now on when a viewer acts; None: nowhere."""
        self._workspaces[workspace].viewer = viewer

    def summary(self) -> dict[str, object]:
        """What happened so far, as JSON can hold it: by workspace, at the token endpoint, at Braze, and of the
        journeys of all.
        """
        return {
            "workspaces": {each.id: self._summary_of(each) for each in self._workspaces.values()},
            "token_requests": self._answered(""),
            "braze": {
                **self._answered(BRAZE),
                "users": len(self.braze.attributes),
                "worst_window": self.braze.window.worst,
            },
            "journeys": {"under_way": self._journeys.under_way, **self._journeys.tally},
        }

    def reset(self) -> None:
        """Forgets all that happened and was ordered: everything is as the settings say."""
        self._faults.clear()
        self._mishaps.clear()
        self._viewings.clear()
        self._arrivals.clear()
        self._journeys.forget()
        self.images.reset()
        self.braze = Braze(self._settings.braze, self._settings.remembered)
        for each in self._settings.workspaces:
            self._workspaces[each.id] = _made(each)

    def _summary_of(self, workspace: Workspace) -> dict[str, object]:
        return {
            **self._answered(workspace.id),
            "items": len(workspace.items),
            "quota": {"requests": workspace.quota.requests, "per_seconds": workspace.quota.per_seconds},
            "worst_window": workspace.window.worst,
        }

    def _answered(self, workspace: str) -> dict[str, object]:
        answered = Counter(
            "none" if arrival.status is None else str(arrival.status)
            for arrival in self._arrivals.select(workspace=workspace)
        )
        return {"requests": answered.total(), "answered": dict(sorted(answered.items()))}


def _made(settings: WorkspaceSettings) -> Workspace:
    return Campaign(settings) if settings.api == "receivers" else Workspace(settings)
