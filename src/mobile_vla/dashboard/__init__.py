"""The dashboard: pages in a browser over the evidence of one workspace."""
