"""The verbs: they take and return core types, and never print."""
