"""Android devices behind the user's own ``adb``: models are copied there, and timed by a program there."""
