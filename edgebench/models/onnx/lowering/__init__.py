"""ONNX operators in the terms of TFLite, one file a family."""
