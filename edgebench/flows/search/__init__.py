"""The verb ``search``: networks that are accurate and hold every limit of every device."""
