"""A solver: schedule, parameterizations and scheme, and what holds at the ends of the domain."""
