"""The parts of `benchmarks/callbacks.py`: who takes the callbacks, who makes them, and what is made of the answers.

Read in this order: `candidates`, `caller`, `figures`.
"""
