"""The verb ``search``: networks that are accurate and meet every limit of every device."""
