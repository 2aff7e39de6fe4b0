"""Feature tables and ratings -> aligned rows of participant and session, and the guards that refuse leaks."""
