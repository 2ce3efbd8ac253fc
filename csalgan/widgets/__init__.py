"""Moved to :mod:`csalgan.explorer`; kept for the check at landing only, and goes with it."""
