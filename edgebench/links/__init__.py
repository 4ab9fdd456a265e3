"""The place where a child runs, and the way its bytes take."""
