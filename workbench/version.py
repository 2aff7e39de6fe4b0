"""The version of the workbench, apart from the package root so that every module may import it."""

__version__ = "0.1.0"
