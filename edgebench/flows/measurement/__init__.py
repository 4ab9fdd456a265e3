"""The measurement engine: a child process that runs a model, and its parent that samples it."""
