"""The verbs of lookup tables: build, validate, show, export, import."""
