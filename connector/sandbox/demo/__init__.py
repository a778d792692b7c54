"""The demo: all of it at work on one machine, on 200 sample events, with the books kept at the end.

Read `samples` (what is sent), `stack` (what is started, and how), `demo` (the course), `progress` (while it goes on),
`books` (what became of every event), `checks` (what must hold) and `report` (what is printed).
"""

from connector.sandbox.demo.demo import run_demo

__all__ = ["run_demo"]
