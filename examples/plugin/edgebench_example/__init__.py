"""A target, a family of search spaces and a task, as an example for authors of plug-ins."""
