r"""
How wrong differences are
=========================

A derivative can be taken numerically, by moving the input a little and looking at the output. The
notes of NUS CS2109S keep this for testing and name two reasons, the passes that it costs and its
error. This is about the error: how it depends on the step, for central and for one-sided
differences, in double and in single precision, on the example of these notes, the logistic map.
"""

# %%
# The function and what it is compared with
# -----------------------------------------
#
# :math:`l_1 = x`, :math:`l_{n+1} = 4\, l_n (1 - l_n)`. What is wanted is :math:`l_4'(0.3)`, and a
# backward pass gives it to the last few digits.
import matplotlib.pyplot as plt
import numpy as np

import accelnn


def l4(x):
    value = x
    for _ in range(3):
        value = 4 * value * (1 - value)
    return value


x = accelnn.tensor([0.3], dtype="float64", requires_grad=True)
(exact,) = accelnn.grad(l4(x), x)
print(f"l_4(0.3) = {l4(x).item():.8f}, l_4'(0.3) = {exact.item():.7f}")

# %%
# The differences
# ---------------
#
# .. math::
#
#    \frac{f(x + \varepsilon) - f(x - \varepsilon)}{2\,\varepsilon}
#    \qquad\text{and}\qquad
#    \frac{f(x + \varepsilon) - f(x)}{\varepsilon}
#
# are ``accelnn.numerical_gradient`` and ``accelnn.delta``. Taylor's formula gives their errors,
# :math:`\varepsilon^2 f'''/6` and :math:`\varepsilon f''/2`; and every value of :math:`f` is
# rounded, by about :math:`u\,|f|` with :math:`u = 1.1 \cdot 10^{-16}` in double and
# :math:`6 \cdot 10^{-8}` in single precision, which the division makes
# :math:`u\,|f| / \varepsilon`. One error falls with :math:`\varepsilon` and the other one grows.
# (In single precision the exact value is that at the number which is stored for 0.3.)
steps = np.logspace(-13, -1, 97)
errors = {}
for dtype in ("float64", "float32"):
    at = accelnn.tensor([0.3], dtype=dtype)
    stored = accelnn.tensor(at.tolist(), dtype="float64", requires_grad=True)
    truth = accelnn.grad(l4(stored), stored)[0].item()
    central = [accelnn.numerical_gradient(l4, at, eps=step).item() for step in steps]
    forward = [accelnn.delta(l4, at, 0, step=step).item() for step in steps]
    errors[dtype, "central"] = np.abs(np.array(central) - truth)
    errors[dtype, "forward"] = np.abs(np.array(forward) - truth)

# %%
# Both axes are logarithmic, so a power of the step is a straight line.
figure, axes = plt.subplots(1, 2, figsize=(7, 3.8), sharex=True, sharey=True, layout="constrained")
for ax, dtype in zip(axes, ("float64", "float32"), strict=True):
    ax.loglog(steps, errors[dtype, "central"], "o", color="#0072B2", markersize=3, label="central")
    ax.loglog(steps, errors[dtype, "forward"], "^", color="#D55E00", markersize=3, label="forward")
    ax.set(title=dtype, xlabel=r"step $\varepsilon$")
    ax.grid(alpha=0.3)
axes[0].set(ylabel="error of the derivative", ylim=(1e-13, 1e3))
grey = {"color": "black", "linewidth": 1, "linestyle": "--"}
wide, narrow = np.array([1e-5, 1e-1]), np.array([1e-13, 1e-5])
axes[0].plot(wide, 6.9 * wide**2, **grey)
axes[0].text(2e-4, 3e-10, r"$\propto\varepsilon^2$")
axes[0].plot(narrow, 1.1e-16 / narrow, **grey)
axes[0].text(2e-12, 4e-4, r"$u\,/\,\varepsilon$")
axes[1].legend(loc="lower left")
plt.show()

# %%
# What came out
# -------------
#
# The error of central differences at four steps, and the
# slopes of the straight parts: how many powers of ten the error changes with one of the step.
at_step = {}
for step in (1e-2, 1e-3, 1e-4, 1e-12):
    at_step[step] = abs(accelnn.numerical_gradient(l4, x, eps=step).item() - exact.item())
    print(f"central, float64, step {step:.0e}: error {at_step[step]:.1e}")

straight = {
    "central, large steps": (errors["float64", "central"], (steps > 1e-4) & (steps < 2e-2)),
    "forward, large steps": (errors["float64", "forward"], (steps > 1e-6) & (steps < 2e-2)),
    "central, small steps": (errors["float64", "central"], steps < 1e-8),
}
slopes = {}
for name, (error, part) in straight.items():
    slopes[name] = np.polyfit(np.log10(steps[part]), np.log10(error[part] + 1e-16), 1)[0]
    print(f"{name}: slope {slopes[name]:.2f}")

# %%
# Two powers of ten for central differences and one for one-sided ones, as Taylor's formula says;
# and to the left minus one, for both. Where it turns is where the two errors are alike. A single
# error there may be small by luck, so these are medians of nine steps that follow each other:
best_step, best_error = {}, {}
for key, error in errors.items():
    medians = np.median(np.lib.stride_tricks.sliding_window_view(error, 9), axis=1)
    best_step[key], best_error[key] = steps[4 + medians.argmin()], medians.min()
    print(f"{', '.join(key)}: error {best_error[key]:.0e} at a step of {best_step[key]:.0e}")

# %%
# So central differences in double precision are good for ten digits, at a step of about
# :math:`10^{-6}`, the default of ``gradcheck``; one-sided ones for seven. In single precision four
# and two digits are left. There the value of the function does not change any more for steps below
# :math:`4 \cdot 10^{-8}`: the difference is 0, and its error the whole derivative, 1.3. That is why
# ``gradcheck`` refuses float32.
