"""The database: tables, locks and waits, and what the application asks of it in its own words."""
