"""The database: its tables, locks and timeouts, and every query that the application runs."""
