"""The live code that runs a model for a device: one file per runtime or simulator."""
