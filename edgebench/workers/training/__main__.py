"""Starts a training process: ``python -m edgebench.workers.training``."""

import os

from edgebench.workers.server import main
from edgebench.workers.training.server import TrainingServer

if __name__ == "__main__":
    # Read when PyTorch is imported. Small networks gain nothing from a second thread, and lose much if another
    # process uses its core; and results repeat only with the same number of threads.
    os.environ["OMP_NUM_THREADS"] = "1"
    main(TrainingServer)
