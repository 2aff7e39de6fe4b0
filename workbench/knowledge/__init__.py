"""Scales, circuits and published evidence, as data with sources; what nobody checked is marked as unverified."""
