"""Reduces work units to what a person can read: scores, intervals, p-values, explanations, candidates, claims."""
