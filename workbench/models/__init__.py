"""All that learns: inside the fold, from training rows alone."""
