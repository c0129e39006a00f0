"""The audit that the commands use until the new one is wired to them."""
