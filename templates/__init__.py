"""The jinja2 templates of emitted modules: layout only, no mathematics."""
