"""TFLite: description, costs, writer and quantiser."""
