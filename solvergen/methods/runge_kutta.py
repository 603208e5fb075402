"""The library of explicit Runge-Kutta tableaux, orders 1 to 8, with embedded pairs.

Every coefficient is the rational of the source; row sums are checked when a table is read and
the order is computed from the scheme.
"""

from solvergen.methods.tableaux import Tableau

HNW = "Hairer, Norsett and Wanner 1993 (Solving Ordinary Differential Equations I), chapter II"

_TABLES = (
    ("euler", "Euler 1768; Hairer, Norsett and Wanner 1993", "0 |\n | 1"),
    ("midpoint", f"Runge 1895; {HNW}", "0 |\n 1/2 | 1/2\n | 0 1"),
    ("heun", f"Heun 1900; {HNW}; embedded Euler", "0 |\n 1 | 1\n | 1/2 1/2\n | 1 0"),
    ("ralston", "Ralston 1962 (Math. Comp. 16, 431)", "0 |\n 2/3 | 2/3\n | 1/4 3/4"),
    (
        "kutta3",
        f"Kutta 1901; {HNW}",
        "0 |\n 1/2 | 1/2\n 1 | -1 2\n | 1/6 2/3 1/6",
    ),
    (
        "heun3",
        f"Heun 1900; {HNW}",
        "0 |\n 1/3 | 1/3\n 2/3 | 0 2/3\n | 1/4 0 3/4",
    ),
    (
        "ssprk3",
        "Shu and Osher 1988 (J. Comput. Phys. 77, 439)",
        "0 |\n 1 | 1\n 1/2 | 1/4 1/4\n | 1/6 1/6 2/3",
    ),
    (
        "bogacki_shampine",
        "Bogacki and Shampine 1989 (Appl. Math. Lett. 2, 321)",
        """0   |
           1/2 | 1/2
           3/4 | 0 3/4
           1   | 2/9 1/3 4/9
               | 2/9 1/3 4/9 0
               | 7/24 1/4 1/3 1/8""",
    ),
    (
        "rk4",
        f"Kutta 1901; {HNW}",
        "0 |\n 1/2 | 1/2\n 1/2 | 0 1/2\n 1 | 0 0 1\n | 1/6 1/3 1/3 1/6",
    ),
    (
        "three_eighths",
        f"Kutta 1901; {HNW}",
        "0 |\n 1/3 | 1/3\n 2/3 | -1/3 1\n 1 | 1 -1 1\n | 1/8 3/8 3/8 1/8",
    ),
    (
        "fehlberg5",
        f"Fehlberg 1969 (NASA TR R-315); {HNW}; embedded order 4",
        """0     |
           1/4   | 1/4
           3/8   | 3/32 9/32
           12/13 | 1932/2197 -7200/2197 7296/2197
           1     | 439/216 -8 3680/513 -845/4104
           1/2   | -8/27 2 -3544/2565 1859/4104 -11/40
                 | 16/135 0 6656/12825 28561/56430 -9/50 2/55
                 | 25/216 0 1408/2565 2197/4104 -1/5 0""",
    ),
    (
        "cash_karp",
        "Cash and Karp 1990 (ACM TOMS 16, 201); embedded order 4",
        """0    |
           1/5  | 1/5
           3/10 | 3/40 9/40
           3/5  | 3/10 -9/10 6/5
           1    | -11/54 5/2 -70/27 35/27
           7/8  | 1631/55296 175/512 575/13824 44275/110592 253/4096
                | 37/378 0 250/621 125/594 0 512/1771
                | 2825/27648 0 18575/48384 13525/55296 277/14336 1/4""",
    ),
    (
        "dormand_prince",
        f"Dormand and Prince 1980 (J. Comput. Appl. Math. 6, 19); {HNW}; embedded order 4",
        """0    |
           1/5  | 1/5
           3/10 | 3/40 9/40
           4/5  | 44/45 -56/15 32/9
           8/9  | 19372/6561 -25360/2187 64448/6561 -212/729
           1    | 9017/3168 -355/33 46732/5247 49/176 -5103/18656
           1    | 35/384 0 500/1113 125/192 -2187/6784 11/84
                | 35/384 0 500/1113 125/192 -2187/6784 11/84 0
                | 5179/57600 0 7571/16695 393/640 -92097/339200 187/2100 1/40""",
    ),
    (
        "butcher6",
        "Butcher 1964 (J. Austral. Math. Soc. 4, 179)",
        """0   |
           1/2 | 1/2
           2/3 | 2/9 4/9
           1/3 | 7/36 2/9 -1/12
           5/6 | -35/144 -55/36 35/48 15/8
           1/6 | -1/360 -11/36 -1/8 1/2 1/10
           1   | -41/260 22/13 43/156 -118/39 32/195 80/39
               | 13/200 0 11/40 11/40 4/25 4/25 13/200""",
    ),
    (
        "fehlberg8",
        f"Fehlberg 1968 (NASA TR R-287); {HNW}; embedded order 7",
        """0    |
           2/27 | 2/27
           1/9  | 1/36 1/12
           1/6  | 1/24 0 1/8
           5/12 | 5/12 0 -25/16 25/16
           1/2  | 1/20 0 0 1/4 1/5
           5/6  | -25/108 0 0 125/108 -65/27 125/54
           1/6  | 31/300 0 0 0 61/225 -2/9 13/900
           2/3  | 2 0 0 -53/6 704/45 -107/9 67/90 3
           1/3  | -91/108 0 0 23/108 -976/135 311/54 -19/60 17/6 -1/12
           1    | 2383/4100 0 0 -341/164 4496/1025 -301/82 2133/4100 45/82 45/164 18/41
           0    | 3/205 0 0 0 0 -6/41 -3/205 -3/41 3/41 6/41 0
           1    | -1777/4100 0 0 -341/164 4496/1025 -289/82 2193/4100 51/82 33/164 12/41 0 1
                | 0 0 0 0 0 34/105 9/35 9/35 9/280 9/280 0 41/840 41/840
                | 41/840 0 0 0 0 34/105 9/35 9/35 9/280 9/280 41/840 0 0""",
    ),
)

TABLEAUX = {name: Tableau.read(name, text, source) for name, source, text in _TABLES}
"""By name; ``fehlberg8``'s embedded method is the library's order 7."""
