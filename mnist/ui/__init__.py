"""The page: its frame, its parts, and in views/ one file for each of its pages."""
