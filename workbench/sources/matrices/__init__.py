"""Readers of connectivity: matrices and time series of every producer."""
