"""A run as one self-contained page: no request to anywhere, everything escaped, light and dark, screen and paper."""

from __future__ import annotations

from workbench.reporting.page import comparison_html, report_html
from workbench.reporting.pictures import pictures_in
from workbench.reporting.study_page import study_html

__all__ = ["comparison_html", "pictures_in", "report_html", "study_html"]
