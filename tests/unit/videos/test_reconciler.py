"""Watching over videos in virtual time: topics in memory, a SEEN that answers as it is told, and the real quota."""

from __future__ import annotations

import asyncio
from collections import Counter
from typing import TYPE_CHECKING, Any, Self

import orjson
import pytest

from connector.delivery.backoff import Backoff
from connector.delivery.lease import Lease
from connector.delivery.suspension import Suspension
from connector.errors import ConsumerStalled, KafkaUnavailable, PublishRefused
from connector.http.exchange import Fault, NoResponse, Response
from connector.metrics import Metrics
from connector.published import VideoReady, outcome_message, video_ready_message
from connector.seen.limits import QuotaLimits
from connector.seen.quota import Quota
from connector.testing import VirtualClock
from connector.types import Outcome, OutcomeKind, Priority, Reason, Record
from connector.videos.ledger import LedgerLimits
from connector.videos.overdue import OverdueReports, Unasked
from connector.videos.reconciler import LOOK_UPS_AT_ONCE, Reconciler, Way
from connector.videos.watch import Watch

if TYPE_CHECKING:
    from collections.abc import Callable
    from types import TracebackType

    from connector.http.permit import Permit
    from connector.seen.verdict import Exchange
    from connector.types import Message
    from connector.videos.watch import Reconciling

pytestmark = pytest.mark.looptime

LIMITS = LedgerLimits(overdue_after_seconds=60, give_up_after_seconds=1200, max_pending=1000)
READY, OVERDUE = "seen.video.ready.v1", "seen.video.overdue.v1"


def shown(id_: str, *links: str) -> Response:
    """SEEN's answer for an item with these videos."""
    outputs = [
        {"id": link, "motions": [{"thumbnail": f"https://m/{link}"}], "players": [{"link": link}]}
        for link in links
    ]
    return Response(200, orjson.dumps({"id": id_, "journeyOutputs": outputs, "values": {"name": "secret"}}))


class Seen:
    """SEEN: `answers` are given in turn, then `answer` says."""

    def __init__(self) -> None:
        self.answer: Callable[[str], Exchange] = shown
        self.seconds = 0.1
        self.asked: list[tuple[float, str]] = []
        self.renewals = self.on_wire = self.most_on_wire = 0

    async def get(self, item_id: str, permit: Permit) -> Exchange:
        if not permit.may_leave():
            permit.unused()
            return NoResponse(Fault.FENCED, "")
        self.asked.append((asyncio.get_running_loop().time(), item_id))
        self.on_wire += 1
        self.most_on_wire = max(self.most_on_wire, self.on_wire)
        await asyncio.sleep(self.seconds)
        self.on_wire -= 1
        permit.answered()
        return self.answer(item_id)

    async def renew_credentials(self) -> None:
        self.renewals += 1


class World:
    """One workspace's watch, as an asynchronous context, with all that stands around it."""

    def __init__(self, limits: LedgerLimits = LIMITS, *, can_ask: bool = True) -> None:
        self.clock = VirtualClock()
        self.seen = Seen()
        self.log: list[Record] = []  # both topics; what was published is read again
        self.publish_error: Exception | None = None
        self.read_error: Exception | None = None
        self.starts: list[float] = []
        self.aims = 0
        self.read_until: int | None = None
        self.metrics = Metrics("0.0.0")
        self.ownership: object | None = object()
        self.lease = Lease(30)
        self.renews_lease = True
        self.suspension = Suspension(Backoff(1, 60))
        self.quota = Quota(QuotaLimits(100, 10, 1), self.clock, owner="o", ahead=10**9, timeout_seconds=30)
        way = Way(self.seen, self.quota, self.lease, self.suspension, Backoff(1, 60))
        series = self.metrics.workspace("acme")
        reports = OverdueReports("acme", self, "videos", series)
        reconciler: Reconciling = (
            Reconciler("acme", way, self, "videos", self.clock, series, lambda: 1 - 1e-9)
            if can_ask
            else Unasked(reports, self.lease, self.clock)
        )
        self.watch = Watch(
            "acme", lambda: Reading(self), limits, reconciler, lambda: self.ownership, self.clock, series
        )

    async def __aenter__(self) -> Self:
        self._tasks = [asyncio.create_task(self.watch.run()), asyncio.create_task(self._keep_lease())]
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        for task in self._tasks:
            task.cancel()
        for result in await asyncio.gather(*self._tasks, return_exceptions=True):
            if not isinstance(result, asyncio.CancelledError) and isinstance(result, BaseException):
                raise result

    async def _keep_lease(self) -> None:
        while True:
            if self.ownership is not None and self.renews_lease:
                self.lease.renewed(self.clock.monotonic())
            await asyncio.sleep(5)

    def lose(self) -> None:
        """Another replica has the workspace from now on."""
        self.ownership = None
        self.lease.end()

    async def publish(self, topic: str, message: Message) -> None:
        if self.publish_error is not None:
            raise self.publish_error
        self.write(message)

    def write(self, message: Message) -> None:
        self.log.append(Record("t", 0, len(self.log), 0, message.key, message.value, message.headers))

    def accepted(self, *ids: str, ago: float = 0.0) -> None:
        at = self.clock.wall() - ago
        outcome = Outcome(
            kind=OutcomeKind.ACCEPTED,
            reason=Reason.CREATED,
            attempts=1,
            first_attempt_at=at,
            last_attempt_at=at,
        )
        for each in ids:
            self.write(outcome_message("acme", Record("e", 0, 0, 0, None, b""), each, outcome, now=at))

    def callback(self, id_: str, link: str = "https://p/1") -> None:
        video = VideoReady(
            id=id_, found_by="callback", received_at=self.clock.wall(), raw=b"{}", player_url=link
        )
        self.write(video_ready_message("acme", video))

    def published(self, kind: str) -> list[tuple[str, dict[str, Any]]]:
        """The event ids and data of what is in the topics."""
        found = []
        for record in self.log:
            headers = {name: (value or b"").decode() for name, value in record.headers}
            if headers["ce_type"] == kind:
                found.append((headers["ce_id"], orjson.loads(record.value or b"")))
        return found

    def value(self, name: str, **labels: str) -> float:
        return (
            self.metrics.registry.get_sample_value(f"seen_connector_{name}", {"workspace": "acme", **labels})
            or 0
        )


class Reading:
    """`Topics` over the world's log."""

    def __init__(self, world: World) -> None:
        self._world = world
        self._position = 0
        self._end = 0

    async def start(self, since: float) -> None:
        self._world.starts.append(since)
        self._end = len(self._world.log)

    async def poll(self, seconds: float) -> list[Record]:
        world = self._world
        if world.read_error is not None:
            raise world.read_error
        found = world.log[self._position : world.read_until][:500]
        self._position += len(found)
        await asyncio.sleep(0.001 if found else seconds)
        return found

    async def aim(self) -> None:
        self._world.aims += 1
        self._end = len(self._world.log)

    async def arrived(self) -> bool:
        return self._position >= self._end

    async def stop(self) -> None:
        return


async def test_a_video_whose_callback_was_lost_is_found_and_published_as_its_callback_would_be() -> None:
    async with World() as world:
        world.seen.answer = lambda id_: shown(id_, "https://p/1")
        world.accepted("a")
        await asyncio.sleep(55)
        assert world.seen.asked == []
        await asyncio.sleep(10)
        ((event_id, data),) = world.published(READY)
        assert data["found_by"] == "reconciliation"
        assert data["player_url"] == "https://p/1"
        assert data["thumbnail_url"] == "https://m/https://p/1"
        assert data["raw"]["players"] == [{"link": "https://p/1"}]
        assert "secret" not in str(data)
        world.callback("a")
        assert [each[0] for each in world.published(READY)] == [event_id, event_id]
        await asyncio.sleep(1500)
        assert len(world.seen.asked) == 1
        assert world.value("videos_ready_total", found_by="reconciliation") == 1
        assert world.value("videos_mismatched_total") == 0
        assert world.watch.figures() == {"pending_videos": 0, "overdue_videos": 0}


async def test_each_journey_output_with_a_player_is_one_event() -> None:
    async with World() as world:
        world.seen.answer = lambda id_: shown(id_, "https://p/1", "p/2", "", "https://p/1")
        world.accepted("a")
        await asyncio.sleep(70)
        assert [data["player_url"] for _, data in world.published(READY)] == ["https://p/1", "https://p/2"]
        assert len({event_id for event_id, _ in world.published(READY)}) == 2
        world.callback("a", "https://p/2")
        world.callback("a", "https://p/3")
        await asyncio.sleep(10)
        assert world.value("videos_mismatched_total") == 1


async def test_a_video_whose_callback_comes_in_time_is_never_asked_for() -> None:
    async with World() as world:
        world.accepted("a")
        world.callback("a")
        world.callback("b")
        world.accepted("b")
        await asyncio.sleep(300)
        assert world.seen.asked == []


async def test_a_callback_that_comes_while_seen_is_asked_leaves_nothing_to_publish() -> None:
    async with World() as world:
        world.seen.seconds = 20
        world.seen.answer = lambda id_: shown(id_, "https://p/1")
        world.accepted("a")
        await asyncio.sleep(65)
        assert len(world.seen.asked) == 1
        world.callback("a")
        await asyncio.sleep(100)
        assert [data["found_by"] for _, data in world.published(READY)] == ["callback"]


async def test_a_callback_that_comes_while_the_slot_is_waited_for_costs_no_request() -> None:
    async with World() as world:
        world.accepted("a", "b")
        world.quota.hold(100)
        await asyncio.sleep(80)
        world.callback("a")
        await asyncio.sleep(50)
        assert [id_ for _, id_ in world.seen.asked] == ["b"]


async def test_a_video_that_never_comes_is_asked_for_with_backoff_and_reported_once() -> None:
    async with World() as world:
        world.accepted("a")
        await asyncio.sleep(1500)
        times = [at for at, _ in world.seen.asked]
        assert times == pytest.approx([60, 120, 240, 480, 960, 1200], abs=20)
        assert times[-1] >= 1200
        ((_, data),) = world.published(OVERDUE)
        assert data.keys() == {"id", "accepted_at", "last_checked_at"}
        assert world.value("videos_reported_overdue_total") == 1
        assert world.watch.figures() == {"pending_videos": 0, "overdue_videos": 0}


async def test_a_404_is_a_video_that_is_not_there_yet() -> None:
    async with World() as world:
        world.seen.answer = lambda _: Response(404, b'{"code": "ErrNotFound"}')
        world.accepted("a")
        await asyncio.sleep(1300)
        assert len(world.published(OVERDUE)) == 1


@pytest.mark.parametrize(
    "answer",
    [
        Response(500, b""),
        Response(503, b""),
        Response(429, b"", retry_after_seconds=1),
        Response(401, b""),
        Response(200, b'{"id": "another", "journeyOutputs": []}'),
        Response(200, b"no JSON"),
        NoResponse(Fault.TIMED_OUT, ""),
        NoResponse(Fault.LOST, ""),
        NoResponse(Fault.NOT_SENT, ""),
    ],
    ids=lambda answer: str(answer)[:30],
)
async def test_without_an_answer_nothing_is_reported_and_look_ups_rest(answer: Exchange) -> None:
    async with World(LedgerLimits(30, 120, max_pending=1000)) as world:
        world.seen.answer = lambda _: answer
        world.accepted("a", "b", "c")
        await asyncio.sleep(300)
        assert world.published(OVERDUE) == world.published(READY) == []
        assert world.suspension.state is None
        assert world.watch.figures() == {"pending_videos": 3, "overdue_videos": 3}
        assert 6 <= len(world.seen.asked) <= 12
        world.seen.answer = shown  # an answer: no video
        await asyncio.sleep(300)
        assert len(world.published(OVERDUE)) == 3


async def test_while_seen_is_away_few_look_ups_are_made_and_afterwards_one_failure_delays_little() -> None:
    async with World() as world:
        world.seen.answer = lambda _: Response(503, b"")
        world.accepted(*(str(number) for number in range(100)))
        await asyncio.sleep(200)
        assert 4 <= len(world.seen.asked) <= 40
        world.seen.answer = lambda id_: shown(id_, f"https://p/{id_}")
        await asyncio.sleep(200)
        assert len(world.published(READY)) == 100
        world.seen.answer = lambda id_: Response(500, b"") if id_ == "bad" else shown(id_, f"https://p/{id_}")
        world.accepted("bad", *(f"good-{number}" for number in range(50)))
        await asyncio.sleep(80)
        assert len(world.published(READY)) == 150


async def test_after_a_refusal_the_secret_is_read_anew_before_the_next_look_up() -> None:
    async with World() as world:
        world.seen.answer = lambda _: Response(401, b"")
        world.accepted("a")
        await asyncio.sleep(70)
        assert (len(world.seen.asked), world.seen.renewals) == (1, 0)
        world.seen.answer = lambda id_: shown(id_, "https://p/1")
        await asyncio.sleep(70)
        assert (len(world.published(READY)), world.seen.renewals) == (1, 1)


async def test_regression_who_has_lost_the_workspace_counts_nothing_that_its_successor_counts() -> None:
    async with World() as world:
        world.seen.answer = lambda id_: shown(id_, "https://p/1")
        world.accepted("a")
        await asyncio.sleep(70)
        world.lose()
        await asyncio.sleep(5)
        world.callback("a", "https://p/2")
        await asyncio.sleep(10)
        world.ownership = object()
        await asyncio.sleep(10)
        assert world.value("videos_mismatched_total") == 0
        world.callback("a", "https://p/3")
        await asyncio.sleep(10)
        assert world.value("videos_mismatched_total") == 1


async def test_a_429_holds_the_quota_and_lowers_what_is_used_of_it() -> None:
    async with World() as world:
        world.seen.answer = lambda _: Response(429, b"", retry_after_seconds=600)
        world.accepted("a", "b")
        await asyncio.sleep(65)
        assert world.quota.held_seconds > 500
        assert world.quota.working < 100
        assert world.value("outside_quota_uses_total") >= 1


async def test_nothing_is_asked_while_the_workspace_is_suspended_or_the_lease_has_ended() -> None:
    async with World() as world:
        world.seen.answer = lambda id_: shown(id_, "https://p/1")
        world.suspension.suspend(Reason.OUTAGE, "", world.clock.monotonic())
        world.accepted("a")
        await asyncio.sleep(151)
        assert world.seen.asked == []
        assert world.watch.figures()["overdue_videos"] == 1
        world.suspension.forget(world.clock.monotonic())
        world.lease.end()
        await asyncio.sleep(1)
        assert world.seen.asked == []
        await asyncio.sleep(10)
        assert len(world.published(READY)) == 1


async def test_whoever_has_lost_the_workspace_publishes_nothing_of_what_it_asked() -> None:
    async with World() as world:
        world.seen.seconds = 20
        world.seen.answer = lambda id_: shown(id_, "https://p/1")
        world.accepted("a")
        await asyncio.sleep(65)
        assert len(world.seen.asked) == 1
        world.lose()
        await asyncio.sleep(300)
        assert len(world.seen.asked) == 1
        assert world.published(READY) == []
        assert world.watch.state is None


async def test_a_new_owner_asks_for_nothing_that_its_predecessor_published() -> None:
    async with World() as world:
        world.seen.answer = lambda id_: shown(id_, "https://p/1")
        world.accepted("a", "b", ago=1300)
        world.callback("b")
        world.read_until = 2  # the topics are slow
        await asyncio.sleep(100)
        assert (world.watch.state, world.seen.asked) == ("rebuilding", [])
        assert world.starts == [pytest.approx(world.clock.wall() - 100 - LIMITS.horizon_seconds, abs=5)]
        world.read_until = None
        await asyncio.sleep(10)
        assert world.watch.state == "current"
        assert [id_ for _, id_ in world.seen.asked] == ["a"]


@pytest.mark.parametrize("is_ready_first", [True, False])
async def test_a_ledger_that_is_rebuilt_joins_a_video_and_its_acceptance_in_either_order(
    is_ready_first: bool,
) -> None:
    # Kafka's client may read either topic first, whatever was written first.
    world = World()
    if is_ready_first:
        world.callback("a")
    world.accepted("a", ago=1300)
    if not is_ready_first:
        world.callback("a")
    async with world:
        await asyncio.sleep(60)
        assert (world.watch.state, world.watch.figures()["pending_videos"]) == ("current", 0)
        assert world.seen.asked == []


async def test_after_a_rebalance_the_ledger_goes_on_once_it_has_read_what_another_wrote_meanwhile() -> None:
    async with World() as world:
        world.seen.answer = lambda id_: shown(id_, "https://p/1")
        world.accepted("a")
        await asyncio.sleep(50)
        world.lose()
        await asyncio.sleep(30)
        world.read_until = len(world.log)
        world.callback("a")
        world.ownership = object()
        await asyncio.sleep(300)
        assert (world.watch.state, world.seen.asked) == ("rebuilding", [])
        world.read_until = None
        await asyncio.sleep(300)
        assert (world.watch.state, world.seen.asked) == ("current", [])
        assert len(world.starts) == 1
        world.lose()
        await asyncio.sleep(100)
        world.ownership = object()
        await asyncio.sleep(10)
        assert len(world.starts) == 2


async def test_after_a_rebalance_between_two_polls_nothing_is_asked_before_the_topics_are_read_again() -> (
    None
):
    async with World() as world:
        world.accepted("a")
        await asyncio.sleep(59)
        world.read_until = len(world.log)
        world.callback("a")
        world.ownership = object()
        assert world.watch.state == "rebuilding"
        await asyncio.sleep(60)
        assert (world.watch.state, world.seen.asked) == ("rebuilding", [])


@pytest.mark.parametrize("answer", [lambda id_: shown(id_, "https://p/1"), shown], ids=["video", "no video"])
async def test_regression_an_answer_says_nothing_while_what_another_owner_wrote_is_not_read_yet(
    answer: Callable[[str], Exchange],
) -> None:
    async with World() as world:
        world.seen.seconds = 20
        world.seen.answer = answer
        world.accepted("a", ago=1300)
        await asyncio.sleep(10)
        assert len(world.seen.asked) == 1
        world.read_until = len(world.log)
        world.callback("a")
        world.ownership = object()  # it was another's, and is ours again
        await asyncio.sleep(60)
        assert (len(world.published(READY)), len(world.published(OVERDUE))) == (1, 0)
        world.read_until = None
        await asyncio.sleep(60)
        assert (world.watch.state, len(world.seen.asked)) == ("current", 1)


async def test_what_could_not_be_published_is_looked_up_again() -> None:
    for error in (KafkaUnavailable("away"), PublishRefused("too large")):
        async with World() as world:
            world.seen.answer = lambda id_: shown(id_, "https://p/1")
            world.publish_error = error
            world.accepted("a")
            await asyncio.sleep(70)
            assert (len(world.seen.asked), world.watch.figures()["pending_videos"]) == (1, 1)
            world.publish_error = None
            await asyncio.sleep(70)
            assert (len(world.published(READY)), world.watch.figures()["pending_videos"]) == (1, 0)


async def test_what_was_published_is_no_longer_pending_before_it_is_read_again() -> None:
    async with World(LedgerLimits(30, 120, max_pending=1000)) as world:
        world.seen.answer = lambda id_: shown(id_, "https://p/1") if id_ == "found" else shown(id_)
        world.accepted("found", "never")
        await asyncio.sleep(10)
        world.read_until = len(world.log)
        await asyncio.sleep(30)
        assert world.watch.figures()["pending_videos"] == 1
        await asyncio.sleep(100)
        assert world.watch.figures()["pending_videos"] == 0
        assert (len(world.published(READY)), len(world.published(OVERDUE))) == (1, 1)


async def test_the_ends_are_asked_for_again_and_again_so_that_a_change_of_the_topics_is_noticed() -> None:
    async with World() as world:
        await asyncio.sleep(10)
        assert (world.watch.state, world.aims) == ("current", 1)
        await asyncio.sleep(90)
        assert world.aims == 4


async def test_topics_that_cannot_be_read_are_said_and_read_again() -> None:
    async with World() as world:
        world.seen.answer = lambda id_: shown(id_, "https://p/1")
        world.accepted("a", ago=100)
        world.read_error = KafkaUnavailable("away")
        await asyncio.sleep(300)
        assert (world.watch.state, world.watch.trouble) == ("away", "away")
        assert len(world.starts) == 1
        world.lose()
        assert world.watch.trouble is None
        world.ownership = object()
        world.read_error = ConsumerStalled("silent")
        await asyncio.sleep(300)
        assert world.watch.trouble == "silent"
        assert len(world.starts) > 2
        assert world.seen.asked == []
        world.read_error = None
        await asyncio.sleep(100)
        assert world.watch.state == "current"
        assert not world.watch.trouble
        assert len(world.published(READY)) == 1


async def test_many_are_asked_for_a_few_at_once_within_the_quota_and_each_once() -> None:
    async with World() as world:
        world.seen.seconds = 2
        world.seen.answer = lambda id_: shown(id_, f"https://p/{id_}")
        world.accepted(*(str(number) for number in range(300)))
        await asyncio.sleep(400)
        assert set(Counter(id_ for _, id_ in world.seen.asked).values()) == {1}
        assert len(world.published(READY)) == 300
        assert world.seen.most_on_wire == LOOK_UPS_AT_ONCE


async def test_behind_deliveries_look_ups_get_two_percent() -> None:
    async with World() as world:
        world.seen.answer = lambda id_: shown(id_, f"https://p/{id_}")
        world.accepted(*(str(number) for number in range(100)))

        async def deliver() -> None:
            while True:
                with await world.quota.slot(lambda: True, Priority.DELIVERY) as slot:
                    slot.answered()

        deliveries = [asyncio.create_task(deliver()) for _ in range(50)]
        await asyncio.sleep(260)
        found = len(world.published(READY))
        for each in deliveries:
            each.cancel()
        await asyncio.wait(deliveries)
        # 200 s after they were overdue: 2,000 slots, 40 of them for look-ups.
        assert 30 <= found <= 42


async def test_beyond_max_pending_and_unmatched_callbacks_are_counted_by_who_hears_of_them() -> None:
    async with World(LedgerLimits(60, 1200, max_pending=2)) as world:
        world.accepted("a", "b", "c", ago=10)
        world.callback("nobody")
        await asyncio.sleep(30)
        assert world.watch.figures()["pending_videos"] == 2
        assert world.value("videos_untracked_total") == 0  # it was so before
        world.accepted("d")
        await asyncio.sleep(70)
        assert world.value("videos_untracked_total") == 1
        assert world.value("videos_unmatched_total") == 1
