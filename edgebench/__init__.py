"""edgebench: profile, search and ship neural networks for edge devices."""
