"""What this machine is and what disturbs it, its memory, and locks among its processes."""
