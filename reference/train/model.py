"""nano's shape, and a faster forward pass over the official module's own parameters.

The checkpoint is the official class's: `Qwen3_5MoeForConditionalGeneration` owns every parameter. Its forward
pass is written for any batch of any images on any device; on two cores most of the time goes into things that
a fixed frame size and right-padded rows make unnecessary. `Fast` computes the same function (tested in
`check`): images as one batch, all experts as one product, the short convolution as four shifted
multiplications, and the delta rule as a compiled loop (`kernels.py`).
"""

import json
import os

import torch
import torch.nn.functional as F
from safetensors.torch import save_file
from transformers import Qwen3_5MoeConfig, Qwen3_5MoeForConditionalGeneration
from transformers.models.qwen3_5_moe import modeling_qwen3_5_moe as official

from train.kernels import DeltaRule

GRID = (1, 14, 10)  # patches of a 160x224 frame
VISUAL = 35  # tokens of a frame
FIRST = 4  # position of the first image token: <|im_start|> user \n <|vision_start|>


def config(ids, vocabulary):
    """`ids`: token text -> id."""
    return Qwen3_5MoeConfig(
        architectures=["Qwen3_5MoeForConditionalGeneration"],
        image_token_id=ids["<|image_pad|>"], video_token_id=ids["<|video_pad|>"],
        vision_start_token_id=ids["<|vision_start|>"], vision_end_token_id=ids["<|vision_end|>"],
        tie_word_embeddings=True,
        text_config=dict(
            vocab_size=vocabulary, hidden_size=128, num_hidden_layers=8,
            layer_types=["linear_attention", "linear_attention", "linear_attention", "full_attention"] * 2,
            num_attention_heads=4, num_key_value_heads=2, head_dim=32, max_position_embeddings=4096,
            rope_parameters=dict(
                rope_type="default", rope_theta=10000.0, partial_rotary_factor=0.5, mrope_interleaved=True,
                mrope_section=[3, 3, 2]),
            linear_num_key_heads=4, linear_num_value_heads=4, linear_key_head_dim=32, linear_value_head_dim=32,
            linear_conv_kernel_dim=4, num_experts=4, num_experts_per_tok=2, moe_intermediate_size=32,
            shared_expert_intermediate_size=64, tie_word_embeddings=True, eos_token_id=ids["<|endoftext|>"],
        ),
        vision_config=dict(
            depth=4, hidden_size=128, num_heads=4, intermediate_size=256, patch_size=16, spatial_merge_size=2,
            temporal_patch_size=2, out_hidden_size=128, num_position_embeddings=256,
        ),
        dtype="bfloat16",
    )


def create(configuration):
    """A new model in f32, initialised for a short training run."""
    model = Qwen3_5MoeForConditionalGeneration(configuration).float()
    residual = (2 * configuration.text_config.num_hidden_layers) ** -0.5
    for name, p in model.named_parameters():
        with torch.no_grad():
            if name.endswith("embed_tokens.weight"):
                p.normal_(0, 0.05)
            elif name.endswith("pos_embed.weight"):
                p.normal_(0, 0.1)
            elif name.endswith("dt_bias"):
                step = torch.exp(torch.empty_like(p).uniform_(-6.9, -2.3))  # 0.001 to 0.1
                p.copy_(step + torch.log(-torch.expm1(-step)))
            elif name.endswith("A_log"):
                p.copy_(torch.empty_like(p).uniform_(1, 16).log())
            elif name.endswith("conv1d.weight"):
                p.uniform_(-0.5, 0.5)
            elif p.ndim >= 2:
                fan_in = p.shape[-1] if "experts" in name else p[0].numel()
                scale = residual if any(part in name for part in ("out_proj", "o_proj", "down_proj")) else 1.0
                if "patch_embed" in name:
                    scale = 0.7
                p.normal_(0, scale * fan_in ** -0.5)
    return model


def patches(frames):
    """[B, 224, 160, 3] u8 to [B, 140, 768]: the order of the official processor, without the repeated frame."""
    x = frames.permute(0, 3, 1, 2).float() / 127.5 - 1
    x = x.view(-1, 3, 7, 2, 16, 5, 2, 16).permute(0, 2, 5, 3, 6, 1, 4, 7)
    return x.reshape(-1, 140, 768)


def official_pixels(x):
    """[B, 140, 768] to the official [B*140, 1536]: the still frame stands twice."""
    x = x.view(-1, 3, 1, 256).expand(-1, 3, 2, 256)
    return x.reshape(-1, 1536)


def positions(length):
    """[3, T] M-RoPE positions of a prompt whose only image starts at FIRST."""
    t = torch.arange(length)
    p = t.repeat(3, 1)
    row, column = torch.arange(VISUAL) // 5, torch.arange(VISUAL) % 5
    p[0, FIRST:FIRST + VISUAL] = FIRST
    p[1, FIRST:FIRST + VISUAL] = FIRST + row
    p[2, FIRST:FIRST + VISUAL] = FIRST + column
    p[:, FIRST + VISUAL:] = t[FIRST + VISUAL:] - VISUAL + 7
    return p


def waves(points):
    """[N, 2] in 0..1 -> [N, 22]: the coordinates, and sines and cosines of them down to the period of a tens digit."""
    angles = torch.cat([points * (2 * torch.pi * f) for f in (0.5, 1.0, 2.0, 5.0, 10.0)], -1)
    return torch.cat([points, angles.sin(), angles.cos()], -1)


class Fast(torch.nn.Module):
    def __init__(self, model, length=128):
        super().__init__()
        self.model = model
        core = model.model
        # Used in training only: where the target is, read from the image token and from the first attention layer.
        width = model.config.text_config.hidden_size
        self.heads = torch.nn.ModuleList([torch.nn.Linear(width, 22), torch.nn.Linear(width, 22)])
        grid = torch.tensor([GRID])
        index, weight = official.get_vision_interpolation_indices_and_weights(
            grid, num_grid_per_side=core.visual.num_grid_per_side, mode="bilinear", align_corners=True,
            spatial_merge_size=2, kwargs={})
        self.register_buffer("index", index, persistent=False)
        self.register_buffer("weight", weight, persistent=False)
        place = official.get_vision_position_ids(grid, 2, kwargs={})
        cos, sin = core.visual.rotary_pos_emb(torch.zeros(1), place)
        self.register_buffer("vcos", cos.view(140, 1, -1).float(), persistent=False)
        self.register_buffer("vsin", sin.view(140, 1, -1).float(), persistent=False)
        cos, sin = core.language_model.rotary_emb(torch.zeros(1), positions(length)[:, None])
        self.register_buffer("cos", cos.clone().float(), persistent=False)
        self.register_buffer("sin", sin.clone().float(), persistent=False)

    def see(self, x):
        """[B, 140, 768] -> [B, 35, H]"""
        v = self.model.model.visual
        batch = x.shape[0]
        w = v.patch_embed.proj.weight
        w = w.sum(2).reshape(w.shape[0], 768)
        x = F.linear(x, w, v.patch_embed.proj.bias)
        x = x + (v.pos_embed.weight[self.index] * self.weight[:, :, None]).sum(1)
        for block in v.blocks:
            heads = block.attn.num_heads
            q, k, u = block.attn.qkv(block.norm1(x)).view(batch, 140, 3, heads, -1).unbind(2)
            q = q * self.vcos + official.rotate_half(q) * self.vsin
            k = k * self.vcos + official.rotate_half(k) * self.vsin
            o = F.scaled_dot_product_attention(q.transpose(1, 2), k.transpose(1, 2), u.transpose(1, 2))
            x = x + block.attn.proj(o.transpose(1, 2).reshape(batch, 140, -1))
            x = x + block.mlp.linear_fc2(F.gelu(block.mlp.linear_fc1(block.norm2(x)), approximate="tanh"))
        m = v.merger
        return m.linear_fc2(F.gelu(m.linear_fc1(m.norm(x).view(batch, VISUAL, -1))))

    @staticmethod
    def rms(x, norm):
        return x * torch.rsqrt(x.pow(2).mean(-1, keepdim=True) + norm.eps) * (1 + norm.weight)

    def deltanet(self, m, x):
        batch, length, _ = x.shape
        u = m.in_proj_qkv(x)
        w = m.conv1d.weight[:, 0]
        padded = F.pad(u, (0, 0, 3, 0))
        u = sum(padded[:, i:i + length] * w[:, i] for i in range(4))
        q, k, v = F.silu(u).split([m.key_dim, m.key_dim, m.value_dim], -1)
        q = q.view(batch, length, m.num_k_heads, -1).transpose(1, 2)
        k = k.view(batch, length, m.num_k_heads, -1).transpose(1, 2)
        v = v.view(batch, length, m.num_v_heads, -1).transpose(1, 2)
        q = q * torch.rsqrt(q.pow(2).sum(-1, keepdim=True) + 1e-6) * m.head_k_dim ** -0.5
        k = k * torch.rsqrt(k.pow(2).sum(-1, keepdim=True) + 1e-6)
        beta = m.in_proj_b(x).sigmoid().transpose(1, 2)
        decay = torch.exp(-m.A_log.exp() * F.softplus(m.in_proj_a(x) + m.dt_bias)).transpose(1, 2)
        rows = [y.reshape(-1, length, m.head_k_dim) for y in (q, k, v)]
        o = DeltaRule.apply(*rows, *(y.reshape(-1, length) for y in (decay, beta)))
        o = o.view(batch, -1, length, m.head_v_dim)
        o = o.transpose(1, 2)
        o = o * torch.rsqrt(o.pow(2).mean(-1, keepdim=True) + m.norm.variance_epsilon) * m.norm.weight
        o = o * F.silu(m.in_proj_z(x).view(o.shape))
        return m.out_proj(o.reshape(batch, length, -1))

    def attention(self, m, x, look=None):
        """With `look` = (rows, places, cells, points): also how badly head 0, at those tokens, misses those image tokens."""
        batch, length, _ = x.shape
        q, gate = m.q_proj(x).view(batch, length, -1, 2 * m.head_dim).chunk(2, -1)
        q = self.rms(q, m.q_norm).transpose(1, 2)
        k = self.rms(m.k_proj(x).view(batch, length, -1, m.head_dim), m.k_norm).transpose(1, 2)
        v = m.v_proj(x).view(batch, length, -1, m.head_dim).transpose(1, 2)
        q, k = official.apply_rotary_pos_emb(q, k, self.cos[:, :length], self.sin[:, :length])
        groups = m.num_key_value_groups
        k, v = k.repeat_interleave(groups, 1), v.repeat_interleave(groups, 1)
        o = F.scaled_dot_product_attention(q, k, v, is_causal=True).transpose(1, 2)
        missed = 0.0
        if look is not None:
            rows, places, cells, _ = look
            scores = q[:, 0] @ k[:, 0].mT * m.scaling
            scores = scores.masked_fill(torch.ones(length, length, dtype=torch.bool).triu(1), float("-inf"))
            missed = -scores.log_softmax(-1)[rows, places, FIRST + cells].mean()
        return m.o_proj((o * gate.sigmoid()).reshape(batch, length, -1)), missed

    def experts(self, m, x):
        shape = x.shape
        x = x.reshape(-1, shape[-1])
        e = m.experts
        p = F.linear(x, m.gate.weight).softmax(-1)
        top, chosen = p.topk(m.gate.top_k, -1)
        share = torch.zeros_like(p).scatter(1, chosen, top / top.sum(-1, keepdim=True))
        gate, up = F.linear(x, e.gate_up_proj.flatten(0, 1)).view(x.shape[0], e.num_experts, 2, -1).unbind(2)
        hidden = F.silu(gate) * up * share[..., None]
        y = hidden.flatten(1) @ e.down_proj.transpose(1, 2).flatten(0, 1)
        y = y + m.shared_expert_gate(x).sigmoid() * m.shared_expert(x)
        # Switch-style balance: pushes the experts toward equal use.
        used = torch.zeros_like(p).scatter(1, chosen, 1.0).mean(0)
        return y.view(shape), e.num_experts * (used * p.mean(0)).sum() / m.gate.top_k

    def forward(self, x, ids, look=None):
        """[B, 140, 768], [B, T] -> (hidden states after the final norm [B, T, H], balance, gaze and place loss)"""
        core = self.model.model.language_model
        h = core.embed_tokens(ids)
        seen = self.see(x)
        h = torch.cat([h[:, :FIRST], seen, h[:, FIRST + VISUAL:]], 1)
        balance = gaze = place = 0.0
        if look is not None:
            rows, places, cells, points = look
            target = waves(points)
            place = F.mse_loss(self.heads[0](F.rms_norm(seen[rows, cells], seen.shape[-1:])), target)
        for layer in core.layers:
            n = self.rms(h, layer.input_layernorm)
            if layer.block_type == "linear_attention":
                h = h + self.deltanet(layer.linear_attn, n)
            else:
                y, missed = self.attention(layer.self_attn, n, look)
                h = h + y
                if look is not None and not torch.is_tensor(gaze):
                    told = F.rms_norm(h[rows, places], h.shape[-1:])
                    place = place + F.mse_loss(self.heads[1](told), target)
                gaze = gaze + missed
            y, b = self.experts(layer.mlp, self.rms(h, layer.post_attention_layernorm))
            h = h + y
            balance = balance + b
        return self.rms(h, core.norm), balance, gaze, place

    def logits(self, hidden):
        return F.linear(hidden, self.model.model.language_model.embed_tokens.weight)


def save_weights(model, path):
    """Writes the official layout: fused experts, A_log and the gated norm in F32, all else in BF16."""
    tensors = {}
    for name, p in model.state_dict().items():
        if name == "lm_head.weight":
            continue
        wide = name.endswith(("A_log", "linear_attn.norm.weight"))
        tensors[name] = p.detach().to(torch.float32 if wide else torch.bfloat16).contiguous()
    save_file(tensors, path, metadata={"format": "pt"})
    os.chmod(path, 0o644)


def save_config(configuration, folder):
    data = json.loads(configuration.to_json_string(use_diff=False))
    (folder / "config.json").write_text(json.dumps(published(data), indent=2) + "\n")


TOP = ["architectures", "image_token_id", "model_type", "text_config", "tie_word_embeddings", "transformers_version",
       "video_token_id", "vision_config", "vision_end_token_id", "vision_start_token_id"]
TEXT = ["attention_bias", "attention_dropout", "dtype", "eos_token_id", "full_attention_interval", "head_dim", "hidden_act",
        "hidden_size", "initializer_range", "layer_types", "linear_conv_kernel_dim", "linear_key_head_dim",
        "linear_num_key_heads", "linear_num_value_heads", "linear_value_head_dim", "max_position_embeddings", "model_type",
        "moe_intermediate_size", "num_attention_heads", "num_experts", "num_experts_per_tok", "num_hidden_layers",
        "num_key_value_heads", "rms_norm_eps", "rope_parameters", "shared_expert_intermediate_size", "tie_word_embeddings",
        "use_cache", "vocab_size"]
VISION = ["depth", "hidden_act", "hidden_size", "in_channels", "initializer_range", "intermediate_size", "num_heads",
          "num_position_embeddings", "out_hidden_size", "patch_size", "spatial_merge_size", "temporal_patch_size"]


def published(data):
    """The keys that the family's published files have, in their form."""
    out = {key: data[key] for key in TOP if key in data}
    out["text_config"] = {key: data["text_config"][key] for key in TEXT if key in data["text_config"]}
    out["text_config"].update(
        dtype="bfloat16", attn_output_gate=True, full_attention_interval=4, mamba_ssm_dtype="float32", mlp_only_layers=[])
    out["text_config"]["rope_parameters"] = dict(data["text_config"]["rope_parameters"])
    out["text_config"]["partial_rotary_factor"] = data["text_config"]["rope_parameters"]["partial_rotary_factor"]
    out["vision_config"] = {key: data["vision_config"][key] for key in VISION}
    out["vision_config"].update(model_type="qwen3_5_moe", deepstack_visual_indexes=[])
    return out


def check(model, ids, x):
    """The largest difference of logits between the official forward pass and the fast one."""
    fast = Fast(model)
    with torch.no_grad():
        theirs = model(
            input_ids=ids, pixel_values=official_pixels(x), image_grid_thw=torch.tensor([GRID] * len(ids)),
            mm_token_type_ids=(ids == model.config.image_token_id).long(), attention_mask=torch.ones_like(ids)).logits
        ours = fast.logits(fast(x, ids)[0])
    return (theirs - ours).abs().max().item(), theirs.std().item()
