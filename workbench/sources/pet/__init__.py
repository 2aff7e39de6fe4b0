"""Readers of PET: time-activity curves, SUVR and kinetic parameters of every producer."""
