"""The contest of `quota.py`: this connector and what people use in its place, against one server that counts arrivals.

Read `contestants` (who takes part, and what the connector promises), `course` (what is known of one of them afterwards),
`figures` (what follows from that), `table` and `picture` (how it is shown); `team` (processes), `traffic` (events) and `run`
carry it out.
"""
