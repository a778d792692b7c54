"""seen-connector: customer events in Kafka become videos at SEEN, and video-ready events come back into Kafka."""
