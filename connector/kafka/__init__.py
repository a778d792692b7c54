"""Kafka, as aiokafka 0.14 gives it. Nothing else imports aiokafka; the facts that its rules rest on are in docs/kafka.md."""
