"""Arm Ethos-U NPUs through Arm's own compiler, Vela."""
