"""``python -m edgebench``."""

import os
import sys

# ``-m`` puts the current folder before installed packages, and a file in it could stand in for one.
if not sys.flags.safe_path and sys.path and sys.path[0] in {"", os.getcwd()}:  # noqa: PTH109 - before anything is imported
    del sys.path[0]

from edgebench.cli.main import main

if __name__ == "__main__":
    main()
