"""Packages for clients that take more than one module."""
