"""Claims of documents against evidence: verdicts, corrections, SARIF."""
