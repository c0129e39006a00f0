"""Claims of documents held against the evidence, and corrections."""
