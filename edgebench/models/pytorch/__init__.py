"""PyTorch: description, costs, safety and writer."""
