"""The verb ``profile``."""
