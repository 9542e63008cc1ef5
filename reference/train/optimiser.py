"""Muon for the hidden matrices, AdamW for the rest.

Muon (K. Jordan, 2024) replaces a matrix's momentum by the nearest semi-orthogonal matrix, which in short runs of small
networks reaches a loss in clearly fewer samples than Adam alone.
"""

import torch
import torch.distributed as dist

COEFFICIENTS = (3.4445, -4.7750, 2.0315)


def orthogonal(x):
    """Newton-Schulz iteration on [..., m, n]."""
    tall = x.shape[-2] > x.shape[-1]
    if tall:
        x = x.mT
    x = x / (x.norm(dim=(-2, -1), keepdim=True) + 1e-7)
    a, b, c = COEFFICIENTS
    for _ in range(5):
        s = x @ x.mT
        x = a * x + (b * s + c * (s @ s)) @ x
    return x.mT if tall else x


def is_hidden(name, p):
    return (p.ndim == 2 or "experts" in name and p.ndim == 3) and not any(
        part in name for part in ("embed", "heads", "mlp.gate.weight", "shared_expert_gate", "in_proj_a", "in_proj_b", "merger"))


class Optimiser:
    def __init__(self, model, matrix_rate=0.02, rate=2e-3, decay=0.01):
        named = [(n, p) for n, p in model.named_parameters()]
        self.hidden = [p for n, p in named if is_hidden(n, p)]
        other = [p for n, p in named if not is_hidden(n, p)]
        self.momentum = [torch.zeros_like(p) for p in self.hidden]
        self.adam = torch.optim.AdamW(other, lr=rate, betas=(0.9, 0.98), weight_decay=decay, fused=True)
        self.matrix_rate, self.rate, self.decay = matrix_rate, rate, decay

    @torch.no_grad()
    def step(self, factor):
        """`factor` scales both learning rates."""
        for group in self.adam.param_groups:
            group["lr"] = self.rate * factor
        self.adam.step()
        lr = self.matrix_rate * factor
        # Each worker makes the updates of its share of the matrices; the sum of the shares is the whole.
        updates = []
        for number, (p, m) in enumerate(zip(self.hidden, self.momentum)):
            m.lerp_(p.grad, 0.05)
            mine = number % dist.get_world_size() == dist.get_rank()
            updates.append((orthogonal(p.grad.lerp(m, 0.95)) if mine else torch.zeros_like(p)).flatten())
        whole = torch.cat(updates)
        dist.all_reduce(whole)
        for p, update in zip(self.hidden, whole.split([p.numel() for p in self.hidden])):
            scale = max(1, p.shape[-2] / p.shape[-1]) ** 0.5
            p.mul_(1 - lr * self.decay).add_(update.view_as(p), alpha=-lr * scale)

    def state(self):
        return {"adam": self.adam.state_dict(), "momentum": self.momentum}

    def load(self, state):
        self.adam.load_state_dict(state["adam"])
        for ours, theirs in zip(self.momentum, state["momentum"]):
            ours.copy_(theirs)
