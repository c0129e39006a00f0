"""Offline metrics, baselines, the instruction swap and rollouts in the simulator."""
