"""What a study can show with its people: sample size, power, learning curve, ceiling. No outcome is looked at."""
