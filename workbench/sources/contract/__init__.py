"""What every reader hands over and is held to: whose a row is, what a cell may be, what a feature is."""
