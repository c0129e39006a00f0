"""The policy server, and the robot's side of it."""
