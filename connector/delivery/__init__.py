"""The engine: records in, each to exactly one durable outcome. It knows no API and no Kafka, only ports.

Read in this order: `pump` (the loop that reads), `lanes` (order), `dispatch` (slots and requests), `delivery` (what a
verdict leads to), `suspension` (outages), `settle` (outcomes), `offsets` (what may be committed).
"""
