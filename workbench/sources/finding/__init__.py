"""Which files of a source there are: patterns, names of derivatives, and what lies beside each."""
