"""Schemes as data: nodes, supports and the rules of their weights."""
