"""One module for every question that is asked of a run: its refits, its reduction, its record, its sentence."""
