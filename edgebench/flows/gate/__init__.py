"""The verb ``gate``: models are held to a baseline."""
