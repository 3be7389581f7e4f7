r"""
Three ways to a derivative: the logistic map
============================================

The notes of NUS CS2109S compare symbolic, numerical and automatic differentiation on the logistic
map, :math:`l_1 = x`, :math:`l_{n+1} = 4\, l_n (1 - l_n)`. Of the symbolic way they say that its
formulas swell, and that it takes formulas only, no procedures. This page counts.
"""

# %%
# Symbolic
# --------
#
# SymPy writes down :math:`l_n` and differentiates it. Multiplied out, :math:`l_4'` is the
# polynomial that the notes print.
from fractions import Fraction

import matplotlib.pyplot as plt
import numpy as np
import sympy

import accelnn


def logistic(x, n):
    """The procedure; it takes numbers, Tensors and symbols alike."""
    value = x
    for _ in range(n - 1):
        value = 4 * value * (1 - value)
    return value


symbol = sympy.Symbol("x")
for n in range(1, 5):
    print(f"l_{n} = {logistic(symbol, n)}")

l4_derivative = sympy.diff(logistic(symbol, 4), symbol)
polynomial = sympy.Poly(sympy.expand(l4_derivative), symbol)
coefficients = [int(c) for c in reversed(polynomial.all_coeffs())]
print("l_4' =", l4_derivative)
print("coefficients of l_4', from the constant up: 64 *", [c // 64 for c in coefficients])


# %%
# How fast the formulas grow
# --------------------------
#
# Operations in the formulas as they stand, multiplied out, and with SymPy's common subexpressions
# computed once; beside it those of the loop. ``Counted`` stands for a number and counts.
class Counted:
    operations = 0

    def _count(self, other):
        Counted.operations += 1
        return self

    __mul__ = __rmul__ = __rsub__ = _count


generations = range(2, 8)
counts = {"function": [], "derivative": [], "multiplied out": [], "shared": [], "loop": []}
for n in generations:
    formula = logistic(symbol, n)
    derivative = sympy.diff(formula, symbol)
    shared, (rest,) = sympy.cse(derivative)
    counts["function"].append(int(sympy.count_ops(formula)))
    counts["derivative"].append(int(sympy.count_ops(derivative)))
    counts["multiplied out"].append(int(sympy.count_ops(sympy.Poly(derivative, symbol).as_expr())))
    counts["shared"].append(int(sympy.count_ops(rest) + sum(sympy.count_ops(e) for _, e in shared)))
    Counted.operations = 0
    logistic(Counted(), n)
    counts["loop"].append(Counted.operations)

print("n             ", *(f"{n:>6}" for n in generations))
for name, row in counts.items():
    print(f"{name:<15}", *(f"{count:>6}" for count in row))

# %%
# Automatic
# ---------
#
# A backward pass goes back through the loop once more. Each of its operations is a product or a
# difference, whose backward is one or two products, so that it costs a few operations for each of
# the loop's, whatever n is. And it is exact, up to rounding: SymPy's formula in
# fractions has the last word.
number = Fraction(0.3)  # the binary number that is stored for 0.3
automatic, numerical, truth = [], [], []
for n in generations:
    x = accelnn.tensor([0.3], dtype="float64", requires_grad=True)
    (slope,) = accelnn.grad(logistic(x, n), x)
    automatic.append(slope.item())
    numerical.append(accelnn.numerical_gradient(lambda t, n=n: logistic(t, n), x).item())
    exact = sympy.lambdify(symbol, sympy.diff(logistic(symbol, n), symbol))
    truth.append(float(exact(number)))
automatic, numerical, truth = map(np.array, (automatic, numerical, truth))
error_automatic = np.abs(automatic / truth - 1)
error_numerical = np.abs(numerical / truth - 1)
for n, a, d, t in zip(generations, automatic, numerical, truth, strict=True):
    print(f"l_{n}'(0.3): automatic {a:.12f}   numerical {d:.12f}   exact {t:.12f}")


# %%
# A procedure that is no formula
# ------------------------------
#
# Go on until the value is above 0.9: how often depends on x. There is no formula to differentiate,
# and SymPy cannot even decide whether to stop. The graph records what happened, for this x.
def until_large(x):
    value, rounds = x, 0
    while value < 0.9:
        value, rounds = 4 * value * (1 - value), rounds + 1
    return value, rounds


try:
    until_large(symbol)
    refusal = ""
except TypeError as error:
    refusal = str(error)
print("SymPy:", refusal)

procedure = {}
for start in (0.01, 0.1, 0.3):
    x = accelnn.tensor([start], dtype="float64", requires_grad=True)
    value, rounds = until_large(x)
    (slope,) = accelnn.grad(value, x)
    by_differences = accelnn.numerical_gradient(lambda t: until_large(t)[0], x).item()
    procedure[start] = rounds, slope.item(), by_differences
    print(f"x = {start}: {rounds} rounds, {slope.item():.6f}, numerically {by_differences:.6f}")

# %%
# The pictures
# ------------
figure, (left, right) = plt.subplots(1, 2, figsize=(7.5, 3.8), layout="constrained")
styles = {
    "derivative": ("#D55E00", "o-", "symbolic, as it stands"),
    "multiplied out": ("#CC79A7", "s-", "symbolic, multiplied out"),
    "shared": ("#009E73", "^-", "symbolic, parts shared"),
    "loop": ("#0072B2", "D-", "the loop, forward"),
}
for name, (colour, style, label) in styles.items():
    left.semilogy(generations, counts[name], style, color=colour, markersize=4, label=label)
left.set(xlabel="n", ylabel="operations", title="size of the derivative of $l_n$")
left.legend(fontsize="small")
right.semilogy(generations, error_numerical, "s-", color="#D55E00", markersize=4, label="numerical")
right.semilogy(
    generations,
    np.maximum(error_automatic, 1e-17),
    "D-",
    color="#0072B2",
    markersize=4,
    label="automatic",
)
right.set(xlabel="n", ylabel="relative error", title="at x = 0.3", ylim=(1e-18, 1e-4))
right.legend(fontsize="small")
plt.show()

# %%
# The claim about swelling holds for formulas as they stand: :math:`l_7'` has 2096 operations,
# from a loop of 18, and from :math:`l_3'` on each generation makes it 2.7 to 4 times as large.
# Multiplied out it is shorter, but doubles as well. It is the writing down that swells, though,
# not the derivative: if parts that occur more than once are computed once, 93 operations remain,
# and the growth is gentle. To share what is common is what a backward pass does from the outset.
#
# Right: differences lose digits with every generation, as the function gets steeper; the backward
# pass is right to the last one or two.
