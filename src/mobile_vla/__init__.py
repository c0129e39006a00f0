"""mobile-vla: train vision-language-action policies for a mobile robot, and say only what is so."""

__version__ = "0.1.0"
