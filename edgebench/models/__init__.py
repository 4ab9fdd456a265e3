"""Model files: inspect, digest, convert, quantise; edgebench's own networks and how they are written."""
