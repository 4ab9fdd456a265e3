"""Turns a report into rich, Markdown, CSV, JSON and Parquet."""
