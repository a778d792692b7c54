"""From the configuration to the small frozen values that each part takes: nothing below this layer knows the files."""

from connector.wiring.braze import braze_client, braze_destination, braze_policy, braze_quota, braze_readers
from connector.wiring.callers import (
    CallbackAuthenticator,
    OwnTokens,
    TokenAuthenticator,
    authenticator,
    token_endpoint,
)
from connector.wiring.kafka import braze_source_settings, connection, new_topics, source_settings
from connector.wiring.seen import (
    backoff,
    credentials,
    destination,
    endpoint,
    ledger,
    mappings,
    policy,
    preparation,
    quota,
    reader,
)

__all__ = [
    "CallbackAuthenticator",
    "OwnTokens",
    "TokenAuthenticator",
    "authenticator",
    "backoff",
    "braze_client",
    "braze_destination",
    "braze_policy",
    "braze_quota",
    "braze_readers",
    "braze_source_settings",
    "connection",
    "credentials",
    "destination",
    "endpoint",
    "ledger",
    "mappings",
    "new_topics",
    "policy",
    "preparation",
    "quota",
    "reader",
    "source_settings",
    "token_endpoint",
]
