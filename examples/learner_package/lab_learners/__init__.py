"""An estimator and a learner for biomarker-workbench, found by the entry points of this package."""
