"""R copies of one network, trained in lock step: other seeds, or other values of a knob, in one run."""
