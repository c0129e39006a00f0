"""What follows from the evidence: factors, comparisons, statistics, the design and the plan."""
