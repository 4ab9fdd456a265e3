"""Passes that make a network cheaper: each takes an artefact and gives another; nothing here reads or writes files."""
