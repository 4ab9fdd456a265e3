"""The child that prepares and runs models."""
