"""What results look like to a reader: from runs, tables and searches to a ``Report``."""
