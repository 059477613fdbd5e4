"""P-values corrected for how many of them there are."""

from __future__ import annotations

import torch


def benjamini_hochberg(p_value: torch.Tensor) -> torch.Tensor:
    r"""Return p-values that control the false discovery rate: :math:`\min_{j \ge i} \min(1, M p_{(j)} / j)`, shape ``(M,)``.

    References:
        Benjamini & Hochberg (1995). Controlling the false discovery rate. J. R. Stat. Soc. B 57.
        https://doi.org/10.1111/j.2517-6161.1995.tb02031.x
    """
    M = len(p_value)
    order = p_value.argsort(descending=True)
    rank = torch.arange(M, 0, -1, dtype=p_value.dtype, device=p_value.device)
    corrected = torch.empty_like(p_value)
    corrected[order] = (p_value[order] * M / rank).cummin(0).values.clamp(max=1)
    return corrected


def holm(p_value: torch.Tensor) -> torch.Tensor:
    r"""Return p-values that control the chance of any error: :math:`\max_{j \le i} \min(1, (M - j + 1) p_{(j)})`, shape ``(M,)``.

    References:
        Holm (1979). A simple sequentially rejective multiple test procedure. Scand. J. Stat. 6.
        https://www.jstor.org/stable/4615733
    """
    M = len(p_value)
    order = p_value.argsort()
    left = torch.arange(M, 0, -1, dtype=p_value.dtype, device=p_value.device)
    corrected = torch.empty_like(p_value)
    corrected[order] = (p_value[order] * left).cummax(0).values.clamp(max=1)
    return corrected
