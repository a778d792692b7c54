"""What the demo and the tests run against: a local Apache Kafka and an emulator of SEEN."""
