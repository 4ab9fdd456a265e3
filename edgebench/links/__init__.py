"""The place where a child runs, and how bytes get there and back."""
