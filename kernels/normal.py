"""The normal distribution, which GELU needs and the array API standard has not: one formula.

    Φ(-z) = e^(-z²/2) · P(t) / (1 + z),    t = (z - c) / (z + c),    z >= 0,

where t takes all of 0 ... ∞ to -1 ... 1, and P is a polynomial for any z: nothing branches, so the
same few lines serve NumPy's arrays and compiled loops. The form is that of M. M. Shepherd & J. G.
Laframboise, "Chebyshev approximation of (1 + 2x) exp(x²) erfc x in 0 <= x < ∞", Math. Comp. 36
(1981) 249-253. These coefficients are of a Chebyshev series of ``(1 + z) e^(z²/2) Φ(-z)``, computed
with 60 digits and cut off where what is left is below half a unit in the last place. How far off
the results are is in ``tests/kernels/test_normal.py``.
"""

#: c. With it the series converges fastest.
MIDDLE = 5.25
#: From here on Φ(-z) is 0, and e^(-z²/2) is.
FAR = 40.0
#: 1/√(2π), the density at 0.
PEAK = 0.3989422804014327

#: P's coefficients from t⁰ on: for float32, and for float64.
SHORT = (
    0.4593014404, -0.08996871203, 0.03382836315, 0.005958732895, -0.02398209645, 0.02464209039,
    -0.01688847435, 0.008445967176, -0.002923834385, 0.0004613111472, 0.0001357398429,
    -6.825090298e-05,
)  # fmt: skip
LONG = (
    0.45930144282933044, -0.08996869142390292, 0.03382818312581111, 0.005958151992653527,
    -0.023979891587176602, 0.02464678262764101, -0.01689857619191983, 0.008429645201706925,
    -0.0029020032894741627, 0.0004891760241929014, 0.00011182831901674126, -9.162719249825044e-05,
    1.3073348175509843e-05, 8.233416971110572e-06, -3.4012159887358227e-06, -5.545937076117102e-07,
    5.586714894936278e-07, 2.3855953104573073e-08, -8.404274628402984e-08, 4.355433786057823e-10,
    1.11638102391122e-08, -1.4383684375252902e-10, -9.296115968651971e-10,
)  # fmt: skip
