"""Data sets with a metric and a way to train on them."""
