"""Vocabulary and arithmetic of edgebench: no input or output, no ML runtime."""
