"""Search-space families."""
