"""Scores, protocols, statistics, tables, figures and the page on a run. Knows no method."""
