"""The pages Draw, History (with a page for each drawing), Insight, Model and Administration."""
