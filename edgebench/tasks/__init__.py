"""Data sets, a metric for each, and training on them."""
