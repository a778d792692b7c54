"""Events to SEEN: what a record becomes, and the destination for each API."""
