from dashboard_client import documents, study  # noqa: F401  # fixtures of this folder
