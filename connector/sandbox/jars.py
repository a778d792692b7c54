"""Apache Kafka's jars from Maven Central, fetched once into the user's cache by Python alone: no Java, no Maven."""

from __future__ import annotations

import fcntl
import os
import shutil
import tempfile
import time
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from connector.errors import SandboxError

if TYPE_CHECKING:
    from collections.abc import Iterator

KAFKA_VERSION = "4.3.0"
_ARTIFACTS = (("org.apache.kafka", "kafka_2.13", KAFKA_VERSION), ("org.slf4j", "slf4j-simple", "1.7.36"))
_LOCK_SECONDS = 300.0
_HTTP_SECONDS = 30
_TRIES = 3


def default_cache() -> Path:
    """The folder that keeps the jars: `seen-connector` under XDG_CACHE_HOME, else under ~/.cache."""
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "seen-connector"


def kafka_jars(cache: Path) -> Path:
    """The folder that holds every jar of Apache Kafka, fetched now if this is the first time (44 MB).

    Any number of processes may ask at once: one fetches, the others wait for it. The folder appears whole or not at all.
    Raises SandboxError where Maven Central cannot be reached, or another process holds the lock for five minutes.
    """
    ready = cache / f"kafka-{KAFKA_VERSION}"
    if ready.is_dir():
        return ready
    cache.mkdir(parents=True, exist_ok=True)
    with _locked(cache / f"kafka-{KAFKA_VERSION}.lock"):
        if not ready.is_dir():
            _fetch(ready)
    return ready


@contextmanager
def _locked(path: Path) -> Iterator[None]:
    """Holds an exclusive lock that the operating system releases if this process dies."""
    deadline = time.monotonic() + _LOCK_SECONDS
    with path.open("w") as file:
        while True:
            try:
                fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
                break
            except BlockingIOError:
                if time.monotonic() > deadline:
                    raise SandboxError(f"another process has held {path} for {_LOCK_SECONDS:.0f} s") from None
                time.sleep(0.2)
        yield


def _fetch(ready: Path) -> None:
    """Fetches into a folder beside `ready`, which it renames when all is there; the lock is held."""
    for left_behind in ready.parent.glob("fetching-*"):
        shutil.rmtree(left_behind, ignore_errors=True)
    failure: Exception | None = None
    for _ in range(_TRIES):
        with tempfile.TemporaryDirectory(prefix="fetching-", dir=ready.parent) as work:
            try:
                jars = _download(Path(work) / "repository")
            except (
                OSError,
                RuntimeError,
                ValueError,
            ) as error:  # requests' errors are OSErrors, jgo's the others
                failure = error
                continue
            complete = Path(work) / "jars"
            complete.mkdir()
            for jar in jars:
                shutil.move(jar, complete / jar.name)
            complete.rename(ready)
            return
    raise SandboxError(f"Apache Kafka's jars could not be fetched from Maven Central: {failure}") from failure


def _download(repository: Path) -> list[Path]:
    """Every jar that a running broker needs, in a Maven repository of its own (a half-written file is never reused)."""
    from jgo.maven import Dependency, MavenContext, PythonResolver  # noqa: PLC0415 - an optional extra

    maven = MavenContext(resolver=PythonResolver(), repo_cache=repository, timeout=_HTTP_SECONDS)
    wanted = [
        Dependency(maven.project(group, name).at_version(version).artifact(), scope="runtime")
        for group, name, version in _ARTIFACTS
    ]
    direct, transitive = maven.resolver.resolve(wanted)
    needed = [*direct, *(each for each in transitive if each.scope in {"compile", "runtime"})]
    return [each.artifact.resolve() for each in needed]
