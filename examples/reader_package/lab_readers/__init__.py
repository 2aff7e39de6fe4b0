"""Readers of one lab, offered to biomarker-workbench through entry points."""
