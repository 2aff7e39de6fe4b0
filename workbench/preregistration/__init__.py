"""What was fixed before a result was seen, and what has been seen since: two append-only files of a study.

``experiments/viewed.jsonl`` is the ledger of results viewed, ``experiments/frozen.jsonl`` holds plans as they were
frozen. Both are committed with the study and hold no participant ids.
"""
