"""Cases that take seconds and still reach both sets of kernels, for a check after every mutant."""

from __future__ import annotations

import torch

from tests.operator_cases import CASES, OperatorCase


def _light(case: OperatorCase) -> bool:
    return case.batch * case.num_tokens**2 * case.metric_width <= 5e6


CALLS = tuple(
    (case, dtype)
    for case in CASES
    for dtype in (torch.float32, torch.float16)
    if _light(case) and (dtype == torch.float32 or case.exact)
)
