"""A trial of known truth: a generator that starts from latent circuits, and apart from it, writers of lab files."""
