"""Firmware that a host can talk to over a serial line: MLPerf Tiny's protocol around an exported model."""
