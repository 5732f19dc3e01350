"""What a network is: layers, graphs, shapes, documents, compilation. No streamlit; torch only in compile.py."""
