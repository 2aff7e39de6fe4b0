"""Who is in the study: participants, their covariates and ratings, and the quality of their scans."""
