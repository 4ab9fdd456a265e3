"""Starts a training process: ``python -m edgebench.workers.training``."""

import os

from edgebench.workers.server import main
from edgebench.workers.training.server import TrainingServer

if __name__ == "__main__":
    # Read when PyTorch is imported. Small networks gain nothing from a second thread, and lose much where another
    # process has its core; and results repeat only for one number of threads.
    os.environ["OMP_NUM_THREADS"] = "1"
    main(TrainingServer)
