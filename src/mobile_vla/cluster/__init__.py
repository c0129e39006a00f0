"""Engines that run cases: processes of this machine, a Ray cluster, SLURM."""
