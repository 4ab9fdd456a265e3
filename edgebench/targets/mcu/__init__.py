"""Microcontrollers by emulation: a model becomes C, the C an ELF, and the ELF runs instruction by instruction."""
