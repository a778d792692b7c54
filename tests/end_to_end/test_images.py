"""Images are looked at before their events are sent: good ones go, each kind of bad one is found out, none is a way in."""

from __future__ import annotations

from typing import TYPE_CHECKING

import orjson

from tests.end_to_end.deployment import headers_of

if TYPE_CHECKING:
    from connector.sandbox.emulator import Emulator
    from tests.end_to_end.deployment import Deployment

GOOD = ("good", "no-head", "chunked", "ranged", "flaky")
BAD = {
    # link, a word of the detail; {host} is the emulator, which is let in
    "{host}/images/good/photo.PNG": "lower case",
    "{host}/images/redirect/photo.png": "redirects (302)",
    "{host}/images/authenticated/photo.png": "needs authentication (401)",
    "{host}/images/large/photo.png": "more than 2 MB",
    "{host}/images/chunked-large/photo.png": "more than 2 MB",
    "{host}/images/html/photo.png": "text/html",
    "{host}/images/gzip/photo.png": "compressed",
    "{host}/images/empty/photo.png": "empty",
    "{host}/images/missing/photo.png": "not there (404)",
    "{host}/images/endless-headers/photo.png": "cannot be read",
    "{host}/images/slow-headers/photo.png": "no answer within 1 s",
    "{host}/images/unavailable/photo.png": "answers 503",
    "http://localhost/photo.png": "not public (127.0.0.1)",
    "http://169.254.169.254/photo.png": "not public (169.254.169.254)",
    "http://[::1]/photo.png": "not public (::1)",
    "https://10.20.30.40/photo.png": "not public (10.20.30.40)",
    "http://[::ffff:192.168.0.1]/photo.png": "not public",
    "http://2130706433/photo.png": "usually written",
    "http://127.0.0.1:9092/photo.png": "its port is 9092",
    "http://no-such-host.invalid/photo.png": "no address",
}


def images(seen: Emulator) -> dict[str, object]:
    """The section of connector.yaml: the emulator's host is let in, and no other."""
    host = seen.url.removeprefix("http://")
    return {"allow_hosts": [host], "timeout_seconds": 1, "give_up_after_seconds": 6}


async def test_a_bad_image_rejects_its_event_with_the_reason_or_is_left_out_and_good_ones_are_sent(
    deployment: Deployment, seen: Emulator
) -> None:
    deployment.connector["images"] = images(seen)
    for name, on_failure in (("acme", "reject"), ("bravo", "drop")):
        wanted = {"properties": ["photo"], "check": "fetch", "on_failure": on_failure}
        deployment.workspace(name, source={"images": wanted})
    bad = {link.format(host=seen.url): word for link, word in BAD.items()}
    good = [f"{seen.url}/images/{kind}/photo.png?X-Signature=s%2Fs" for kind in GOOD]
    links = [*bad, *good]
    events = [
        {"value": orjson.dumps({"id": str(number), "photo": link, "name": "Kari"})}
        for number, link in enumerate(links)
    ]
    async with deployment:
        for name in ("acme", "bravo"):
            await deployment.running(name)
            await deployment.produce(*events, topic=deployment.topic("events", name))
        for name in ("acme", "bravo"):
            await deployment.settled(len(events), name)
        metrics = (await deployment.get("/metrics"))[1].decode()
        assert await deployment.stop() == 0
        log = deployment.log_path.read_text()

    letters = {
        orjson.loads(each.value or b"")["photo"]: headers_of(each)
        for each in await deployment.read("dead_letters")
    }
    assert letters.keys() == bad.keys()
    for link, word in bad.items():
        assert letters[link]["seen-dead-letter-reason"] == "bad_image"
        assert letters[link]["seen-dead-letter-attempts"] == "0"
        assert word in letters[link]["seen-dead-letter-detail"], link
    assert await deployment.read("dead_letters", "bravo") == []

    sent = {"id", "name", "photo"}
    arrived = {name: [orjson.loads(each.body) for each in seen.arrivals(name)] for name in ("acme", "bravo")}
    assert sorted(each["photo"] for each in arrived["acme"]) == sorted(good)
    assert all(
        each.keys() == (sent if each.get("photo") in good else sent - {"photo"}) for each in arrived["bravo"]
    )
    assert sorted(each["id"] for each in arrived["bravo"]) == sorted(map(str, range(len(links))))

    assert 'image_checks_total{found="too_large",workspace="acme"} 2.0' in metrics
    assert "X-Signature" not in log
    refused = [each for each in deployment.log() if each["event"] == "image_refused"]
    assert len(refused) == 2 * len(bad) - 1  # where a name that is bad rejects the record, it says so itself
    assert 'image_checks_total{found="not_allowed",workspace="acme"} 7.0' in metrics
    assert 'image_checks_total{found="not_allowed",workspace="bravo"} 8.0' in metrics


async def test_a_slow_image_holds_back_its_own_key_alone_and_a_stop_does_not_wait_for_it(
    deployment: Deployment, seen: Emulator
) -> None:
    deployment.connector["images"] = images(seen) | {"timeout_seconds": 60, "give_up_after_seconds": 300}
    deployment.workspace(source={"images": {"properties": ["photo"], "check": "fetch"}})
    slow, good = (f"{seen.url}/images/{kind}/photo.png" for kind in ("slow-headers", "good"))
    records = [("a", "a-1", slow), ("a", "a-2", good), *(("b", f"b-{number}", good) for number in range(10))]
    async with deployment:
        await deployment.running()
        await deployment.produce(
            *(
                {"key": key.encode(), "value": orjson.dumps({"id": each, "photo": link})}
                for key, each, link in records
            )
        )
        await deployment.settled(10)
        assert [each.id for each in seen.arrivals("acme")] == [f"b-{number}" for number in range(10)]
        assert (await deployment.status())["preparing_events"] == 1
        assert await deployment.stop() == 0
    assert await deployment.read("dead_letters") == []
