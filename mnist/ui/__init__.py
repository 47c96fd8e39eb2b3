"""The Streamlit page: its frame and parts here, one file for each of its pages in views/."""
