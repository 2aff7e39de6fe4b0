"""Regions of an atlas: their names and labels, where they lie, how they are covered, and means over their voxels."""
