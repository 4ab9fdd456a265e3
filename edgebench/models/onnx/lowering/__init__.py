"""ONNX operators in terms of TFLite's, one file per family."""
