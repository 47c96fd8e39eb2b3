"""Retraining: people's labels → a candidate → the next version, or a rejected one."""
