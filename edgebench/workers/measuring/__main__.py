"""Starts a measuring process: ``python -m edgebench.workers.measuring [NUMBER]``."""

from edgebench.workers.measuring.server import MeasuringServer
from edgebench.workers.server import main

if __name__ == "__main__":
    main(MeasuringServer)
