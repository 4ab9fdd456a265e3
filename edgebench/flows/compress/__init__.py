"""The verb ``compress``: which optimisation meets the limits at the least accuracy lost."""
