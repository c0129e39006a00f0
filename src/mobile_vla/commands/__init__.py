"""One module a group of commands: join what the wings offer, and show it."""
