"""The Streamlit page: one file a view, charts apart from widgets."""
