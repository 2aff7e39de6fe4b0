"""A first study drafted from the files that a lab has: every guess says why, and what cannot be known is asked.

Nothing of the data is copied: the draft names the files where they are.
"""

from workbench.drafting.draft import Draft, draft_study

__all__ = ["Draft", "draft_study"]
