"""What the evidence says: status, factors, comparison, statistics and the plan."""
