"""The child that trains networks, and the pool of them."""
