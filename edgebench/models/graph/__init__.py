"""Tensor graphs: any rank, wiring, inputs and outputs, between the formats of model files."""
