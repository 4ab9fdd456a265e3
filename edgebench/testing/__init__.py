"""Contract tests for edgebench and for authors of plug-ins."""
