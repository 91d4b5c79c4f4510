"""Operators of torch in ONNX that torch does not translate, or whose translation loses digits.

ONNX has no factorisations and no gamma function: the first are loops over columns here, the second is Stirling's
series.
"""

# mypy: disable-error-code="arg-type, type-var, operator, call-overload, misc, index, assignment"
from __future__ import annotations

import math
from typing import Any, TypeVar, Union

import torch
from onnxscript import DOUBLE, FLOAT, script
from onnxscript import opset18 as op

Real = TypeVar("Real", bound=Union[FLOAT, DOUBLE])  # noqa: UP007, as onnxscript reads it
SHIFT = 8
"""By which arguments are raised before Stirling's series, which then has 12 digits."""
STIRLING = (1 / 12, -1 / 360, 1 / 1260, -1 / 1680)


@script(default_opset=op)
def _cholesky(A: Real) -> Real:
    """Return L of A = L L^T (B, k, k), column by column."""
    chol_size = op.Gather(op.Shape(A), op.Constant(value_int=-1))
    chol_at = op.Range(op.Constant(value_int=0), chol_size, op.Constant(value_int=1))
    chol_left = A
    chol_found = A - A
    for chol_j in range(chol_size):
        chol_column = op.Gather(chol_left, chol_j, axis=2)
        chol_pivot = op.Unsqueeze(op.Gather(chol_column, chol_j, axis=1), op.Constant(value_ints=[1]))
        chol_column = chol_column / op.Sqrt(chol_pivot) * op.CastLike(chol_at >= chol_j, A)
        chol_tall = op.Unsqueeze(chol_column, op.Constant(value_ints=[2]))
        chol_found = chol_found + chol_tall * op.CastLike(chol_at == chol_j, A)
        chol_left = chol_left - chol_tall * op.Unsqueeze(chol_column, op.Constant(value_ints=[1]))
    return chol_found


@script(default_opset=op)
def _cholesky_solve(b: Real, L: Real) -> Real:
    """Return x of L L^T x = b (B, k, 1)."""
    solve_size = op.Gather(op.Shape(L), op.Constant(value_int=-1))
    solve_range = op.Range(op.Constant(value_int=0), solve_size, op.Constant(value_int=1))
    solve_at = op.Unsqueeze(solve_range, op.Constant(value_ints=[1]))
    solve_left = b
    solve_half = b - b
    for solve_j in range(solve_size):
        solve_column = op.Gather(L, solve_j, axis=2)
        solve_pivot = op.Unsqueeze(op.Gather(solve_column, solve_j, axis=1), op.Constant(value_ints=[1, 2]))
        solve_value = op.Unsqueeze(op.Gather(solve_left, solve_j, axis=1), op.Constant(value_ints=[1])) / solve_pivot
        solve_half = solve_half + solve_value * op.CastLike(solve_at == solve_j, b)
        solve_left = solve_left - op.Unsqueeze(solve_column, op.Constant(value_ints=[2])) * solve_value
    solve_rest = solve_half
    solve_found = b - b
    solve_last = solve_size - op.Constant(value_int=1)
    for solve_i in range(solve_size):
        solve_k = solve_last - solve_i
        solve_row = op.Gather(L, solve_k, axis=1)
        solve_divisor = op.Unsqueeze(op.Gather(solve_row, solve_k, axis=1), op.Constant(value_ints=[1, 2]))
        solve_part = op.Unsqueeze(op.Gather(solve_rest, solve_k, axis=1), op.Constant(value_ints=[1])) / solve_divisor
        solve_found = solve_found + solve_part * op.CastLike(solve_at == solve_k, b)
        solve_rest = solve_rest - op.Unsqueeze(solve_row, op.Constant(value_ints=[2])) * solve_part
    return solve_found


def cholesky_ex(A: Any, upper: bool = False, check_errors: bool = False) -> Any:
    """Return L and the number 0 of what failed."""
    return _cholesky(A), op.Constant(value_int=0)


def cholesky_solve(b: Any, L: Any, upper: bool = False) -> Any:
    """Return the solution for one right side."""
    return _cholesky_solve(b, L)


def log_sigmoid(x: Any) -> Any:
    """Return -softplus(-x): ONNX Runtime computes log(sigmoid(x)) as -inf below -18."""
    return op.Neg(op.Softplus(op.Neg(x)))


def lgamma(x: Any) -> Any:
    """Return log Gamma(x) for x > 0: Stirling's series at x + 8, less the logarithm of x (x + 1) ... (x + 7)."""
    y = op.Cast(x, to=DOUBLE.dtype)
    product = y
    for i in range(1, SHIFT):
        product = op.Mul(product, op.Add(y, _double(i)))
    z = op.Add(y, _double(SHIFT))
    inverse = op.Reciprocal(z)
    square = op.Mul(inverse, inverse)
    series = _double(STIRLING[-1])
    for coefficient in reversed(STIRLING[:-1]):
        series = op.Add(op.Mul(series, square), _double(coefficient))
    main = op.Sub(op.Mul(op.Sub(z, _double(0.5)), op.Log(z)), z)
    rest = op.Add(op.Mul(series, inverse), _double(math.log(2 * math.pi) / 2))
    return op.CastLike(op.Sub(op.Add(main, rest), op.Log(product)), x)


def log1p(x: Any) -> Any:
    """Return log(1 + x), in double precision, which keeps small x."""
    return op.CastLike(op.Log(op.Add(op.Cast(x, to=DOUBLE.dtype), _double(1))), x)


def expm1(x: Any) -> Any:
    """Return exp(x) - 1, in double precision, which keeps small x."""
    return op.CastLike(op.Sub(op.Exp(op.Cast(x, to=DOUBLE.dtype)), _double(1)), x)


def _double(value: float) -> Any:
    import onnx

    return op.Constant(value=onnx.helper.make_tensor("", DOUBLE.dtype, (), [float(value)]))


TRANSLATIONS: dict[Any, Any] = {
    torch.ops.aten.log_sigmoid.default: log_sigmoid,
    torch.ops.aten.lgamma.default: lgamma,
    torch.ops.aten.log1p.default: log1p,
    torch.ops.aten.expm1.default: expm1,
    torch.ops.aten.linalg_cholesky_ex.default: cholesky_ex,
    torch.ops.aten.cholesky_solve.default: cholesky_solve,
}
"""Operators of torch, and what they are in ONNX."""
