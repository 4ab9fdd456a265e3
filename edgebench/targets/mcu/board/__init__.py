"""Microcontroller boards at a serial port: firmware is built, written to them, and asked to measure itself."""
