"""Compression passes, one a file."""
