"""Readers of images: which contrast of whom, and its values in the regions of an atlas."""
