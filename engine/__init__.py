"""Running a network: data, training, watching, run folders, worker processes. No streamlit, nothing from pages."""
