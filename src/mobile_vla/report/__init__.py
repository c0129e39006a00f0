"""The lab's page, written from evidence."""
