"""HTTP as every API behind it needs it: one request in, a value out, and what an answer means whichever API gave it."""
