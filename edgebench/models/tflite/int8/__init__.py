"""Converts any TFLite network to a fully int8 one."""
