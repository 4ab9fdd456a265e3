"""Child processes that touch models and data, and their parent."""
