"""Families of search spaces: what can be chosen, and the networks that follow."""
