"""The gated delta rule and its gradient as two loops, compiled by numba.

A head's state is 32x32 floats, which stays in the nearest cache: walking over the tokens one after the other is
then several times faster than the chunked form in separate tensor operations, forward and backward.
"""

import numba
import numpy as np
import torch


@numba.njit(fastmath=True, cache=True, error_model="numpy")
def forward(q, k, v, decay, beta, out, states):
    """q, k, v, out [N, T, D]; decay, beta [N, T]; states [T + 1, D, D] is scratch (S as [dk, dv])."""
    heads, length, d = q.shape
    m = np.empty(d, np.float32)
    for n in range(heads):
        s = states[0]
        s[:] = 0
        for t in range(length):
            a = decay[n, t]
            b = beta[n, t]
            m[:] = 0
            for i in range(d):
                ki = k[n, t, i] * a
                for j in range(d):
                    m[j] += ki * s[i, j]
            for j in range(d):
                m[j] = b * (v[n, t, j] - m[j])
            o = out[n, t]
            o[:] = 0
            for i in range(d):
                ki = k[n, t, i]
                qi = q[n, t, i]
                for j in range(d):
                    x = a * s[i, j] + ki * m[j]
                    s[i, j] = x
                    o[j] += qi * x


@numba.njit(fastmath=True, cache=True, error_model="numpy")
def backward(q, k, v, decay, beta, dout, dq, dk, dv, ddecay, dbeta, states):
    """The gradients of `forward`; recomputes and keeps the state after every token."""
    heads, length, d = q.shape
    residual = np.empty((length, d), np.float32)  # v - Sᵀk
    delta = np.empty((length, d), np.float32)  # beta times it
    ds = np.empty((d, d), np.float32)
    dd = np.empty(d, np.float32)
    dm = np.empty(d, np.float32)
    for n in range(heads):
        states[0][:] = 0
        for t in range(length):
            a = decay[n, t]
            b = beta[n, t]
            s = states[t]
            after = states[t + 1]
            r = residual[t]
            e = delta[t]
            r[:] = 0
            for i in range(d):
                ki = k[n, t, i] * a
                for j in range(d):
                    r[j] += ki * s[i, j]
            for j in range(d):
                r[j] = v[n, t, j] - r[j]
                e[j] = b * r[j]
            for i in range(d):
                ki = k[n, t, i]
                for j in range(d):
                    after[i, j] = a * s[i, j] + ki * e[j]
        ds[:] = 0
        for step in range(length):
            t = length - 1 - step
            a = decay[n, t]
            b = beta[n, t]
            s = states[t]
            after = states[t + 1]
            e = delta[t]
            g = dout[n, t]
            dd[:] = 0
            for i in range(d):
                qi = q[n, t, i]
                ki = k[n, t, i]
                x = np.float32(0)
                y = np.float32(0)
                for j in range(d):
                    x += after[i, j] * g[j]
                    ds[i, j] += qi * g[j]
                    y += ds[i, j] * e[j]
                    dd[j] += ki * ds[i, j]
                dq[n, t, i] = x
                dk[n, t, i] = y
            z = np.float32(0)
            for j in range(d):
                z += dd[j] * residual[t, j]
                dm[j] = -b * dd[j]
                dv[n, t, j] = b * dd[j]
            dbeta[n, t] = z
            z = np.float32(0)
            for i in range(d):
                ki = k[n, t, i]
                y = np.float32(0)
                for j in range(d):
                    y += s[i, j] * dm[j]
                    x = ds[i, j] + ki * dm[j]
                    z += x * s[i, j]
                    ds[i, j] = a * x
                dk[n, t, i] += a * y
            ddecay[n, t] = z


class DeltaRule(torch.autograd.Function):
    """(q, k, v [N, T, D], decay [N, T] in 0..1, beta [N, T]) -> [N, T, D]; all f32 and contiguous."""

    @staticmethod
    def forward(ctx, q, k, v, decay, beta):
        out = torch.empty_like(v)
        forward(*(x.detach().numpy() for x in (q, k, v, decay, beta, out)), np.empty((1, q.shape[-1], q.shape[-1]), np.float32))
        ctx.save_for_backward(q, k, v, decay, beta)
        return out

    @staticmethod
    def backward(ctx, dout):
        saved = ctx.saved_tensors
        grads = [torch.empty_like(x) for x in saved]
        d, length = saved[0].shape[-1], saved[0].shape[1]
        backward(*(x.detach().numpy() for x in (*saved, dout.contiguous(), *grads)), np.empty((length + 1, d, d), np.float32))
        return tuple(grads)
