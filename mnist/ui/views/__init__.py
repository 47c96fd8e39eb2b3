"""The pages: Draw, History with one drawing on a page of its own, Insight, Model, Administration."""
