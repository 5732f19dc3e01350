"""Taking a network and its training away: program, notebook, weights, ONNX. torch only in the ONNX worker."""
