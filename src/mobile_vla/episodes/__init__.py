"""Demonstrations: the lab's HDF5 format, directions, manifests, splits and the frame store."""
