"""Readers of tables of numbers: wide and long, and the tables of ABCD, AFNI and FSL."""
