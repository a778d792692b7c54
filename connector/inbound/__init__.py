"""Callbacks → Kafka. Read in this order: `listener` (HTTP), `auth` (who calls), `callback` (what it says), `door` (durable), `answer`."""
