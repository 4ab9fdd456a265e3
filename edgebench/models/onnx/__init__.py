"""ONNX: description, costs, reader and writer."""
