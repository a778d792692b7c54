"""Where reading goes on when the place where it stood is gone."""

from __future__ import annotations

from typing import TYPE_CHECKING

from aiokafka import AIOKafkaConsumer, TopicPartition
from aiokafka.admin import AIOKafkaAdminClient
from aiokafka.admin.records_to_delete import RecordsToDelete

if TYPE_CHECKING:
    from connector.sandbox.emulator import Emulator
    from tests.end_to_end.deployment import Deployment


async def test_what_retention_took_is_counted_and_said_and_the_rest_is_delivered(
    deployment: Deployment, seen: Emulator
) -> None:
    topic = deployment.topic("events")
    deployment.workspace()
    await deployment.create(topic, partitions=1)
    async with deployment:
        await deployment.running()
        await deployment.produce({"value": b'{"id": "first"}'})
        await deployment.settled(1)
        assert await deployment.stop() == 0
    await deployment.produce(*({"value": b'{"id": "%d"}' % number} for number in range(10)))
    admin = AIOKafkaAdminClient(bootstrap_servers=deployment.bootstrap)
    await admin.start()
    await admin.delete_records({TopicPartition(topic, 0): RecordsToDelete(before_offset=5)})
    await admin.close()
    async with deployment:
        await deployment.settled(6)
        expected = [*(str(number) for number in range(4, 10)), "first"]
        assert sorted(arrival.id or "" for arrival in seen.arrivals("acme")) == expected
        status, why = await deployment.get("/readyz")
        assert (status, b"4 records were deleted by retention" in why) == (503, True)
        assert b'taken_by_retention_total{workspace="acme"} 4.0' in (await deployment.get("/metrics"))[1]


async def test_regression_a_commit_beyond_the_end_is_read_from_the_beginning(
    deployment: Deployment, seen: Emulator
) -> None:
    partition = TopicPartition(deployment.topic("events"), 0)
    deployment.workspace()
    await deployment.create(partition.topic, partitions=1)
    await deployment.produce({"value": b'{"id": "one"}'}, {"value": b'{"id": "two"}'})
    consumer = AIOKafkaConsumer(
        bootstrap_servers=deployment.bootstrap, group_id=deployment.group(), enable_auto_commit=False
    )
    await consumer.start()
    consumer.assign([partition])
    await consumer.commit({partition: 1000})
    await consumer.stop()
    async with deployment:
        await deployment.settled(2)
        assert sorted(arrival.id or "" for arrival in seen.arrivals("acme")) == ["one", "two"]
        assert await deployment.stop() == 0
    assert (await deployment.committed()) == {0: 2}
