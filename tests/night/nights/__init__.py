"""The long night: whole nights made from seeds, played against the real road on a virtual clock, and judged.

`script.py` is what a night is, `generator.py` makes one from a seed, `telling.py` tells it as a story. `stage.py` plays
it: `furnishing.py` writes the organisation, `outside.py` and `lines.py` are the providers, `doors.py` the people and
their senders. What was seen (`evidence.py`) is judged by `invariants.py`; `shrinking.py` makes a night that failed
shorter. `real.py` plays nights of real processes.
"""
