"""The face: Streamlit pages and components. Never imports torch."""
