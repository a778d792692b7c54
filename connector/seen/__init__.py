"""SEEN's API: what it says about requests, responses and its quota. Nothing of Kafka."""
