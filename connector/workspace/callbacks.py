"""The callbacks of one workspace, and what Braze posts for it: the doors that the listener knows, the producer behind it, and the spool beside that.

They outlive the deliveries: a workspace that has died, is suspended or stands by takes its callbacks all the same.
"""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

from connector import wiring
from connector.errors import KafkaUnavailable
from connector.inbound.brazeintake import BrazeIntake
from connector.inbound.callback import CallbackFields, read_callback
from connector.inbound.door import Door, EventIntake, Grave
from connector.inbound.durable import BurstPublisher, DurablePublisher
from connector.inbound.listener import BrazeDoors
from connector.inbound.viewer import ViewerFields, read_viewer_event
from connector.kafka.sink import KafkaSink
from connector.workspace.surroundings import STOP_SECONDS

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from connector.config.model import WorkspaceConfig
    from connector.inbound.door import Intake, Kind, Publisher
    from connector.inbound.holding import Holding
    from connector.inbound.taken import Durability
    from connector.kafka.connection import KafkaConnection
    from connector.metrics import WorkspaceMetrics
    from connector.types import Message
    from connector.workspace.surroundings import Surroundings


class Callbacks:
    """What becomes of a workspace's callbacks, from the process's start to its end."""

    def __init__(self, config: WorkspaceConfig, around: Surroundings, connection: KafkaConnection) -> None:
        self._config = config
        self._around = around
        self._connection = connection
        self._sink: KafkaSink | None = None
        self._limits: dict[str, int] = {}
        self._grave = Grave(config.name, config.topics.dead_letters, around.version)
        limit, spool = around.config.listener.publish_timeout_seconds, around.spool
        self._durable = None if spool is None else DurablePublisher(self, spool, self._grave, limit)
        self._publisher: Publisher = self if self._durable is None else self._durable

    def door(self) -> Door:
        """Where the listener brings this workspace's callbacks."""
        config, around = self._config, self._around
        metrics = around.metrics.workspace(config.name)
        return Door(
            workspace=config.name,
            authenticator=wiring.authenticator(config, around.config.listener, around.clock, metrics),
            intakes=self._intakes(metrics),
            metrics=metrics,
        )

    def _intakes(self, metrics: WorkspaceMetrics) -> dict[Kind, Intake]:
        config = self._config
        fields = CallbackFields.compiled(config.callback.fields.model_dump())
        intakes: dict[Kind, Intake] = {
            "video": EventIntake(
                read=partial(read_callback, workspace=config.name, fields=fields),
                topic=config.topics.videos,
                grave=self._grave,
                publisher=self._publisher,
                count=metrics.video_ready,
            )
        }
        if config.topics.viewers is not None:
            viewer_fields = ViewerFields.compiled(config.viewers.fields.model_dump())
            intakes["viewer"] = EventIntake(
                read=partial(read_viewer_event, workspace=config.name, fields=viewer_fields),
                topic=config.topics.viewers,
                grave=self._grave,
                publisher=self._publisher,
                count=metrics.viewer_event,
            )
        return intakes

    @property
    def at_seen(self) -> str | None:
        """The id of the workspace at SEEN, or the slug of its campaign: what Braze's calls are matched by."""
        return self._config.seen.workspace_id or self._config.seen.campaign_slug

    @property
    def is_campaign(self) -> bool:
        """Whether it is one of SEEN API 1.0."""
        return self._config.seen.api == "receivers"

    def braze_door(self) -> Door | None:
        """Where the listener brings what Braze posts for this workspace; None if it takes nothing from there."""
        config = self._config
        if config.braze_in is None:
            return None
        intake = BrazeIntake(
            read=wiring.reader(config, config.braze_in.topic),
            is_array=self.is_campaign,
            topic=config.braze_in.topic,
            grave=self._grave,
            # A campaign that Kafka is away for must not close the door to callbacks, which come three times and never again.
            publisher=self if self._durable is None else BurstPublisher(self._durable),
        )
        return Door(
            workspace=config.name,
            authenticator=wiring.TokenAuthenticator(config.braze_in.auth.token),
            intakes={"braze": intake},
            metrics=self._around.metrics.workspace(config.name),
        )

    async def connect(self, limits: Mapping[str, int]) -> None:
        """Connects the producer, once; `limits` is the most bytes of a message by topic, and may grow with later calls.

        Raises KafkaUnavailable.
        """
        self._limits.update(limits)
        if self._sink is None:
            wait = self._around.config.listener.publish_timeout_seconds
            name = f"{self._config.name}: callbacks"
            sink = KafkaSink(self._connection, self._limits, wait_seconds=wait, name=name)
            await sink.start()
            self._sink = sink

    async def disconnect(self) -> None:
        """Flushes and disconnects the producer."""
        sink, self._sink = self._sink, None
        if sink is not None:
            await sink.stop(STOP_SECONDS)

    @property
    def is_connected(self) -> bool:
        """Whether the producer has connected."""
        return self._sink is not None

    async def publish(self, topic: str, message: Message) -> Durability:
        """Publishes what a callback told; as `KafkaSink.publish`, and KafkaUnavailable while there is no connection."""
        if self._sink is None:
            raise KafkaUnavailable("not connected to Kafka yet")
        await self._sink.publish(topic, message)
        return "published"

    # The spool

    async def drain_spool(self) -> None:
        """Brings into Kafka what the spool holds, until `finish_spool`; at once where there is no spool."""
        if self._durable is not None:
            await self._durable.drain()

    def finish_spool(self) -> None:
        """Has `drain_spool` end as soon as nothing is left, or Kafka takes nothing."""
        if self._durable is not None:
            self._durable.finish()

    @property
    def can_spool(self) -> bool:
        """Whether the spool can take a callback, as far as is known."""
        spool = self._around.spool
        return spool is not None and spool.failure is None and spool.has_room(self._config.name)

    @property
    def spooled(self) -> Holding | None:
        """What the spool holds of this workspace, None where there is none."""
        spool = self._around.spool
        return None if spool is None else spool.holding(self._config.name)


def braze_doors(workspaces: Iterable[Callbacks]) -> BrazeDoors | None:
    """The doors to which Braze's calls are brought; None if no workspace takes any."""
    data: dict[str, Door] = {}
    campaigns: dict[str, Door] = {}
    for each in workspaces:
        door = each.braze_door()
        if door is not None and each.at_seen is not None:
            (campaigns if each.is_campaign else data)[each.at_seen] = door
    return BrazeDoors(data, campaigns) if data or campaigns else None
