"""The chaos harness: what happens to a deployed connector, and what may not happen to its events.

Read `plan` (what goes wrong, and when) and `events` (what flows meanwhile); `stage`, `fleet` and `conductor` carry both
out, `run` holds them together; `collect` reads what Kafka and SEEN know of it into `evidence`, which `checker` and `verdict` judge.
`selfproof` shows that the checker finds what it is for, `report` prints the table.
"""
