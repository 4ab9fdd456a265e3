"""Model files: inspect, digest, convert, quantise; networks of our own and how they are written."""
