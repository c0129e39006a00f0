"""What a set of cases can answer: its design matrix, and the fewest further cases."""
