"""edgebench's own description of a network, its layers and weights."""

from edgebench.models.network.network import INPUT, Network, NetworkBuilder, same_padding

__all__ = ["INPUT", "Network", "NetworkBuilder", "same_padding"]
