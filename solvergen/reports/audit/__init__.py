"""Orders of other libraries' solvers: claimed, measured, and ours on the same problem.

    peer         what a peer is, and the problem that all of them solve
    with_*       the adapters: one module for each library, which runs the library's own code
    measure      errors and rates
    report       the table, in a terminal or in markdown, and the picture

The command is ``solvergen audit``. A library that is not installed is left out and named.
"""
