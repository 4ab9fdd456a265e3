"""Data sets, metrics and training recipes."""
