"""The report in Korean and English, and the wording of results."""
