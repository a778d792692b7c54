"""Bugs to be planted in what is sent in batches, and in what is looked at before it is sent."""

from __future__ import annotations

import math
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from connector.delivery import delivery, turns
from connector.delivery.batch import BatchLimits
from connector.delivery.delivery import Delivery
from connector.delivery.dispatch import Dispatcher
from connector.delivery.offsets import OffsetTracker
from connector.delivery.preparing import Preparing
from connector.outbound import receivers
from connector.outbound.receivers import ReceiversDestination
from connector.seen import receivers as answers
from connector.types import Accepted, Outcome, OutcomeKind, Reason, Reject, Retry, Suspend

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    import pytest

    from connector.delivery.attempt import Step
    from connector.delivery.lanes import Lanes
    from connector.types import Event, Verdict


def _judge_otherwise(
    patch: pytest.MonkeyPatch, change: Callable[[list[Verdict]], list[Verdict]], *, only_several: bool = True
) -> None:
    judge = answers.judge_receivers

    def bug(exchange: Any, items: int, *, takes_existing: bool) -> list[Verdict]:
        verdicts = judge(exchange, items, takes_existing=takes_existing)
        return change(verdicts) if items > 1 or not only_several else verdicts

    patch.setattr(receivers, "judge_receivers", bug)


def reads_verdicts_off_by_one(patch: pytest.MonkeyPatch) -> None:
    _judge_otherwise(patch, lambda verdicts: [*verdicts[1:], verdicts[0]])


def takes_the_others_of_a_refusal_for_created(patch: pytest.MonkeyPatch) -> None:
    def bug(verdicts: list[Verdict]) -> list[Verdict]:
        return [
            Accepted(reason=Reason.CREATED) if each.reason is Reason.OTHERS_REFUSED else each
            for each in verdicts
        ]

    _judge_otherwise(patch, bug)


def rejects_all_for_one(patch: pytest.MonkeyPatch) -> None:
    def bug(verdicts: list[Verdict]) -> list[Verdict]:
        rejected = next((each for each in verdicts if isinstance(each, Reject)), None)
        return verdicts if rejected is None else [rejected] * len(verdicts)

    _judge_otherwise(patch, bug)


def rejects_a_batch_that_is_refused_as_a_whole(patch: pytest.MonkeyPatch) -> None:
    def bug(verdicts: list[Verdict]) -> list[Verdict]:
        is_whole = verdicts[0].reason is Reason.BATCH_REFUSED
        return [Reject(reason=Reason.BAD_REQUEST)] * len(verdicts) if is_whole else verdicts

    _judge_otherwise(patch, bug)


def takes_an_answer_of_another_length_for_its_own(patch: pytest.MonkeyPatch) -> None:
    """Who is not in it counts as not refused."""
    judge = answers.judge_receivers

    def bug(exchange: Any, items: int, *, takes_existing: bool) -> list[Verdict]:
        for shorter in range(items, 0, -1):
            verdicts = judge(exchange, shorter, takes_existing=takes_existing)
            if verdicts[0].reason is not Reason.BATCH_REFUSED:
                break
        return verdicts + [Retry(reason=Reason.OTHERS_REFUSED)] * (items - len(verdicts))

    patch.setattr(receivers, "judge_receivers", bug)


def sends_several_of_a_key_at_once(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(Delivery, "order_key", property(lambda self: self.event.record.origin.encode()))


class _Forgetful(set[str]):
    def add(self, element: str, /) -> None:
        """Keeps nothing."""


def puts_two_of_an_id_into_one_batch(patch: pytest.MonkeyPatch) -> None:
    """What is said of the second, that it exists, rests on the first, which is not created."""
    patch.setattr(turns, "set", _Forgetful, raising=False)


def gathers_until_a_batch_is_full(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(BatchLimits, "gathering_seconds", lambda self, spent, interval: math.inf)


def gathers_for_twice_the_wait(patch: pytest.MonkeyPatch) -> None:
    gathering = BatchLimits.gathering_seconds
    patch.setattr(
        BatchLimits,
        "gathering_seconds",
        lambda self, spent, interval: 2 * gathering(self, spent, interval) + 1,
    )


def halves_down_to_two(patch: pytest.MonkeyPatch) -> None:
    def bug(self: Delivery, attempt: Any) -> None:
        self.most_together = max(2, attempt.items // 2)

    patch.setattr(Delivery, "_go_with_fewer", bug)


def never_halves(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(Delivery, "_go_with_fewer", lambda self, attempt: None)


def gives_up_what_failed_with_others(patch: pytest.MonkeyPatch) -> None:
    """Who was in a batch with one that is refused for ever is refused with it."""
    after = Delivery.after

    def bug(self: Delivery, finding: Any, attempt: Any, suspension: Any, policy: Any) -> Step:
        if isinstance(finding, Suspend):
            attempt = replace(attempt, items=1)
        return after(self, finding, attempt, suspension, policy)

    patch.setattr(Delivery, "after", bug)


def rejects_what_exists_after_a_doubt(patch: pytest.MonkeyPatch) -> None:
    def bug(self: Delivery, finding: Reject, *_: object) -> Outcome:
        return self._outcome(OutcomeKind.REJECTED, finding)

    patch.setattr(Delivery, "_reject", bug)


def takes_a_5xx_for_nothing_done(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(delivery, "_MAY_BE_TAKEN", frozenset())


def rejects_what_exists_though_the_file_accepts_it(patch: pytest.MonkeyPatch) -> None:
    item = answers._item
    patch.setattr(
        answers,
        "_item",
        lambda errors, exchange, *, takes_existing: item(errors, exchange, takes_existing=False),
    )


def forgets_what_may_have_been_sent(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(OffsetTracker, "is_in_doubt", lambda self, offset: False)


def forgets_the_last_of_a_batch(patch: pytest.MonkeyPatch) -> None:
    """One item too few is written, and taken for created with the others."""
    send = ReceiversDestination.send

    async def bug(self: ReceiversDestination, batch: Sequence[Event], permit: Any) -> list[Verdict]:
        if len(batch) < 3:
            return await send(self, batch, permit)
        verdicts = await send(self, batch[:-1], permit)
        return [*verdicts, verdicts[-1]]

    patch.setattr(ReceiversDestination, "send", bug)


def sends_one_too_many(patch: pytest.MonkeyPatch) -> None:
    begin = ReceiversDestination.__init__

    def bug(self: ReceiversDestination, client: Any, batch: BatchLimits, *more: Any, **named: Any) -> None:
        begin(self, client, replace(batch, items=batch.items + 1), *more, **named)

    patch.setattr(ReceiversDestination, "__init__", bug)


def forgets_the_brackets(patch: pytest.MonkeyPatch) -> None:
    """The array is as long as its items, and a bit."""
    patch.setattr(
        BatchLimits, "fits", lambda self, held, more: held + more <= (self.max_bytes or 0) + self.items + 20
    )


def sends_what_nobody_has_looked_at(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(Preparing, "takes", lambda self, delivery: False)


def puts_what_was_looked_at_behind_its_key(patch: pytest.MonkeyPatch) -> None:
    prepared = Dispatcher._prepared

    def bug(self: Dispatcher, delivery: Delivery, lanes: Lanes[Delivery]) -> None:
        if len(lanes._lanes[delivery.order_key]) > 1:
            lanes.finish(delivery)
            lanes.submit(delivery)
        else:
            prepared(self, delivery, lanes)

    patch.setattr(Dispatcher, "_prepared", bug)


BUGS: tuple[Callable[[pytest.MonkeyPatch], None], ...] = (
    reads_verdicts_off_by_one,
    takes_the_others_of_a_refusal_for_created,
    rejects_all_for_one,
    rejects_a_batch_that_is_refused_as_a_whole,
    takes_an_answer_of_another_length_for_its_own,
    sends_several_of_a_key_at_once,
    puts_two_of_an_id_into_one_batch,
    gathers_until_a_batch_is_full,
    gathers_for_twice_the_wait,
    halves_down_to_two,
    never_halves,
    gives_up_what_failed_with_others,
    rejects_what_exists_after_a_doubt,
    takes_a_5xx_for_nothing_done,
    rejects_what_exists_though_the_file_accepts_it,
    forgets_what_may_have_been_sent,
    forgets_the_last_of_a_batch,
    sends_one_too_many,
    forgets_the_brackets,
    sends_what_nobody_has_looked_at,
    puts_what_was_looked_at_behind_its_key,
)

NEEDS: dict[Callable[[pytest.MonkeyPatch], None], str] = {
    gives_up_what_failed_with_others: "refused",
    takes_a_5xx_for_nothing_done: "unique ids",
    forgets_what_may_have_been_sent: "unique ids",
    forgets_the_brackets: "small requests",
}
"""As those of `planted_limits`."""
