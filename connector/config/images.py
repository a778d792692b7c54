"""The section `images` of connector.yaml: where images may be, and how long they are looked at."""

from typing import Annotated

from pydantic import Field

from connector.config.settings import Settings
from connector.config.values import Count, HostAndPort, NonNegativeSeconds, NotEmpty, Port, Seconds


class ImagesConfig(Settings):
    """How images are looked at where a source says `check: fetch`. Each limit is of one workspace.

    `allow_hosts` are `host` or `host:port`: these may have addresses that are not public, and that port.
    """

    ports: Annotated[tuple[Port, ...], NotEmpty] = (80, 443)
    allow_hosts: tuple[HostAndPort, ...] = ()
    timeout_seconds: Seconds = 5.0
    give_up_after_seconds: Seconds = 300.0
    cache_seconds: NonNegativeSeconds = 600.0
    max_cached: Count = 10_000
    max_at_once: Annotated[Count, Field(le=256)] = 16
