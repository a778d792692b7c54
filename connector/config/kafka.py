"""The section `kafka` of connector.yaml: how to reach the brokers."""

from typing import Annotated, Literal

from pydantic import Field

from connector.config.settings import OptionalFile, OptionalSecret, Settings
from connector.config.values import BootstrapServers, Count, OptionalText, Seconds


class NewTopics(Settings):
    """What a topic gets that the connector creates. -1 leaves the replication to the broker's default."""

    partitions: Count = 3
    replication_factor: Annotated[int, Field(ge=-1, le=32767)] = -1


class KafkaConfig(Settings):
    """How to reach the brokers. All settings but `bootstrap_servers` have a default."""

    bootstrap_servers: BootstrapServers
    security_protocol: Literal["PLAINTEXT", "SSL", "SASL_PLAINTEXT", "SASL_SSL"] = "PLAINTEXT"
    sasl_mechanism: Literal["PLAIN", "SCRAM-SHA-256", "SCRAM-SHA-512"] = "PLAIN"
    sasl_username: OptionalText = None
    sasl_password: OptionalSecret = None
    ssl_cafile: OptionalFile = None
    ssl_certfile: OptionalFile = None
    ssl_keyfile: OptionalFile = None
    ssl_password: OptionalSecret = None
    create_topics: bool = False
    new_topics: NewTopics = NewTopics()
    session_timeout_seconds: Annotated[Seconds, Field(ge=10, le=1800)] = 30.0
    """Seconds. A member that Kafka does not hear of for so long loses its partitions."""
