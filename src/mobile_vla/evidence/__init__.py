"""What the evidence tells: runs as their files show them, their state and their facts."""
