#!/usr/bin/env python3
"""Make tests/golden/*: what PyTorch computes, in double, for three networks.

    python3 tests/golden_torch.py [DIRECTORY]     (needs torch and numpy)

NAME.json describes the network; weights and images follow from a recipe that
tests/test_golden.c repeats bit by bit. NAME.bin holds doubles, little-endian,
in this order:

    logits [N,K] in inference, logits [N,K] in training, loss [1] (mean
    cross-entropy of the training logits), d_logits [N,K] rounded to float32;
    every tensor's gradient, by node, then slot; every batch normalisation's
    running mean and (biased) variance after that training step, by node; the
    losses [20] of as many steps of SGD from the same weights, on the same images
    (rate 0.02, momentum 0.9, Nesterov's for "skips"; decay 5e-4 of the weights of
    convolutions and fully connected layers)
"""
import json
import math
import os
import sys

import numpy as np
import torch
import torch.nn.functional as F


def node(op, *inputs, **attrs):
    return dict(op=op, inputs=list(inputs), **attrs)


def conv(source, channels, kernel, stride=(1, 1), dilation=(1, 1),
         pads=(0, 0, 0, 0), groups=1, bias=False):
    return node("conv", source, out_channels=channels, kernel=list(kernel),
                stride=list(stride), dilation=list(dilation), pads=list(pads),
                groups=groups, bias=bias)


def pool(op, source, kernel, stride, pads=(0, 0, 0, 0), dilation=(1, 1),
         ceil_mode=False, count_include_pad=False):
    return node(op, source, kernel=list(kernel), stride=list(stride),
                pads=list(pads), dilation=list(dilation), ceil_mode=ceil_mode,
                count_include_pad=count_include_pad)


def norm(source, eps=1e-5, momentum=0.9):
    return node("batch_norm", source, eps=eps, momentum=momentum)


def fc(source, channels, bias=True):
    return node("fc", source, out_channels=channels, bias=bias)


SAME3, SAME5 = (1, 1, 1, 1), (2, 2, 2, 2)

NETWORKS = {
    # the paper's kind of network
    "plain": [
        node("input", out_channels=3, size=[8, 8]),
        node("normalize", 0),
        conv(1, 8, (3, 3), pads=SAME3),
        norm(2),
        node("relu", 3),
        pool("max_pool", 4, (2, 2), (2, 2)),
        conv(5, 12, (3, 3), stride=(2, 2), pads=SAME3, bias=True),
        norm(6, momentum=0.6),
        node("relu", 7),
        node("global_pool", 8),
        fc(9, 5),
        node("softmax", 10),
    ],
    # joins, gates, groups, dilation
    "skips": [
        node("input", out_channels=2, size=[7, 6]),
        node("normalize", 0),
        conv(1, 6, (3, 3), pads=SAME3),
        norm(2, eps=1e-3),
        node("relu", 3),
        conv(4, 6, (5, 5), pads=SAME5, groups=6, bias=True),
        norm(5),
        node("relu", 6),
        node("concat", 4, 7),
        conv(8, 6, (1, 1), bias=True),
        node("gate", 9, 4),
        node("add", 10, 7, 4),
        conv(11, 8, (3, 3), dilation=(2, 2), pads=(2, 1, 0, 2), groups=2),
        norm(12),
        node("clip", 13, low=-0.5, high=1.25),
        node("flatten", 14),
        fc(15, 10, bias=False),
        node("relu", 16),
        fc(17, 4),
        node("softmax", 18),
    ],
    # windows of every kind
    "windows": [
        node("input", out_channels=3, size=[9, 11]),
        node("normalize", 0),
        conv(1, 6, (2, 3), stride=(2, 1), pads=(1, 0, 0, 2), bias=True),
        node("relu", 2),
        pool("max_pool", 3, (3, 3), (2, 2), SAME3, ceil_mode=True),
        pool("avg_pool", 3, (3, 3), (2, 2), SAME3, ceil_mode=True,
             count_include_pad=True),
        pool("avg_pool", 3, (3, 3), (2, 2), SAME3, ceil_mode=True),
        node("concat", 4, 5, 6),
        conv(7, 7, (1, 1)),
        norm(8),
        pool("max_pool", 9, (2, 2), (1, 2), dilation=(1, 2)),
        pool("max_pool", 9, (2, 3), (1, 2), (1, 0, 0, 2)),
        pool("avg_pool", 9, (2, 3), (1, 2), (0, 1, 1, 2)),
        pool("avg_pool", 9, (2, 3), (1, 2), (0, 1, 1, 2),
             count_include_pad=True),
        node("flatten", 10),
        node("global_pool", 11),
        node("global_pool", 12),
        node("global_pool", 13),
        node("concat", 14, 15, 16, 17),
        fc(18, 4),
        node("softmax", 19),
    ],
}

BATCH = 4
STEPS = 20


# ---- the recipe: numbers from a hash, exact in any language


def mix(x):
    x = np.asarray(x, np.uint64) & 0xffffffff
    for shift, factor in ((16, 0x7feb352d), (15, 0x846ca68b), (16, 1)):
        x ^= x >> np.uint64(shift)
        x = (x * np.uint64(factor)) & 0xffffffff
    return x


def uniform(count, index, slot):
    """[count] numbers in -1 .. 1, multiples of 2^-23."""
    i = np.arange(count, dtype=np.uint64)
    h = mix(i + np.uint64(100003 * index + 50021 * slot + 1))
    return (h >> np.uint64(8)).astype(np.float64) / 2**23 - 1


def tensors_of(op, attrs, channels):
    """Slot -> (dims, role) of a node that reads so many channels."""
    if op in ("conv", "fc"):
        out = attrs["out_channels"]
        dims = ([out, channels // attrs["groups"], *attrs["kernel"]]
                if op == "conv" else [out, channels])
        found = {0: (dims, "weight")}
        if attrs["bias"]:
            found[1] = ([out], "bias")
        return found
    if op == "batch_norm":
        return {0: ([channels], "gamma"), 1: ([channels], "bias"),
                2: ([channels], "mean"), 3: ([channels], "var")}
    if op == "gate":
        return {0: ([1], "lambda")}
    if op == "normalize":
        return {0: ([channels], "center"), 1: ([channels], "scale")}
    return {}


def values_of(dims, role, index, slot):
    count = math.prod(dims)
    u = uniform(count, index, slot)
    value = {
        "weight": lambda: u * math.sqrt(6.0 / (count // dims[0])),
        "bias": lambda: 0.3 * u,
        "gamma": lambda: 1 + 0.5 * u,
        "mean": lambda: 0.5 * u,
        "var": lambda: 1.25 + 0.75 * u,
        "lambda": lambda: 0.6 + 0.5 * u,
        "center": lambda: 120 + 10 * u,
        "scale": lambda: 60 + 20 * u,
    }[role]()
    exact = value.astype(np.float32).astype(np.float64)
    return torch.from_numpy(exact).reshape(dims)


def pixels_of(shape):
    count = math.prod(shape)
    h = mix(np.arange(count, dtype=np.uint64) + np.uint64(900001))
    pixels = (h >> np.uint64(24)).astype(np.float64)
    return torch.from_numpy(pixels).reshape(shape)


def labels_of(classes):
    h = mix(np.arange(BATCH, dtype=np.uint64) + np.uint64(800001))
    return torch.from_numpy((h % np.uint64(classes)).astype(np.int64))


# ---- the operations


def padded(x, pads, value):
    top, left, bottom, right = pads
    return F.pad(x, (left, right, top, bottom), value=value)


def max_pool(x, a):
    top, left, bottom, right = a["pads"]
    if a["ceil_mode"]:
        assert (top, left) == (bottom, right)
        return F.max_pool2d(x, a["kernel"], a["stride"], (top, left),
                            a["dilation"], ceil_mode=True)
    return F.max_pool2d(padded(x, a["pads"], -math.inf), a["kernel"],
                        a["stride"], 0, a["dilation"])


def avg_pool(x, a):
    top, left, bottom, right = a["pads"]
    if (top, left) == (bottom, right):
        return F.avg_pool2d(x, a["kernel"], a["stride"], (top, left),
                            a["ceil_mode"], a["count_include_pad"])
    assert not a["ceil_mode"]
    mean = F.avg_pool2d(padded(x, a["pads"], 0.0), a["kernel"], a["stride"])
    if a["count_include_pad"]:
        return mean
    inside = padded(torch.ones_like(x), a["pads"], 0.0)
    return mean / F.avg_pool2d(inside, a["kernel"], a["stride"])


def batch_norm(x, a, w, train, running):
    eps, keep = (float(np.float32(a[k])) for k in ("eps", "momentum"))
    if train:
        mean, var = x.mean((0, 2, 3)), x.var((0, 2, 3), unbiased=False)
        running.append((keep * w[2] + (1 - keep) * mean.detach(),
                        keep * w[3] + (1 - keep) * var.detach()))
    return F.batch_norm(x, w[2].clone(), w[3].clone(), w[0], w[1],
                        training=train, eps=eps)


def apply(a, w, x, train, running):
    op = a["op"]
    column = (-1, 1, 1)
    return {
        "normalize": lambda: ((x[0] - w[0].reshape(column)) /
                              w[1].reshape(column)),
        "conv": lambda: F.conv2d(padded(x[0], a["pads"], 0.0), w[0], w.get(1),
                                 a["stride"], 0, a["dilation"], a["groups"]),
        "batch_norm": lambda: batch_norm(x[0], a, w, train, running),
        "relu": lambda: F.relu(x[0]),
        "clip": lambda: torch.clamp(x[0], a["low"], a["high"]),
        "max_pool": lambda: max_pool(x[0], a),
        "avg_pool": lambda: avg_pool(x[0], a),
        "global_pool": lambda: x[0].mean((2, 3), keepdim=True),
        "flatten": lambda: x[0].reshape(BATCH, -1, 1, 1),
        "fc": lambda: F.linear(x[0].flatten(1), w[0],
                               w.get(1)).reshape(BATCH, -1, 1, 1),
        "concat": lambda: torch.cat(x, 1),
        "add": lambda: sum(x),
        "gate": lambda: w[0] * x[0] + (1 - w[0]) * x[1],
    }[op]()


def run(nodes, weights, train, running):
    """The logits; makes the weights of nodes that have none yet."""
    values = []
    for index, a in enumerate(nodes):
        if a["op"] == "input":
            values.append(pixels_of([BATCH, a["out_channels"], *a["size"]]))
            weights.setdefault(index, {})
            continue
        x = [values[i] for i in a["inputs"]]
        if a["op"] == "softmax":
            return x[0].reshape(BATCH, -1)
        if index not in weights:
            layout = tensors_of(a["op"], a, x[0].shape[1])
            weights[index] = {s: values_of(d, r, index, s)
                              for s, (d, r) in layout.items()}
        values.append(apply(a, weights[index], x, train, running))
    raise ValueError("a network must end in softmax")


def is_trained(op, slot):
    return op != "normalize" and not (op == "batch_norm" and slot >= 2)


def losses(nodes, nesterov):
    """Of the steps of a training; every one is taken before its update."""
    weights = {}
    run(nodes, weights, False, [])
    groups = {True: [], False: []}
    for i, a in enumerate(nodes):
        for slot, tensor in weights.get(i, {}).items():
            if is_trained(a["op"], slot):
                tensor.requires_grad_(True)
                groups[a["op"] in ("conv", "fc") and slot == 0].append(tensor)
    sgd = torch.optim.SGD(
        [{"params": groups[True], "weight_decay": 5e-4}, {"params": groups[False]}],
        lr=0.02, momentum=0.9, nesterov=nesterov)
    found = []
    for _ in range(STEPS):
        sgd.zero_grad()
        logits = run(nodes, weights, True, [])
        loss = F.cross_entropy(logits, labels_of(logits.shape[1]))
        loss.backward()
        sgd.step()
        found.append(loss.detach().reshape(1))
    return torch.cat(found)


def golden(nodes, nesterov):
    weights, running = {}, []
    infer = run(nodes, weights, False, running)
    trained = [weights[i][s] for i, a in enumerate(nodes) if i in weights
               for s in sorted(weights[i]) if is_trained(a["op"], s)]
    for w in trained:
        w.requires_grad_(True)
    logits = run(nodes, weights, True, running)
    labels = labels_of(logits.shape[1])
    loss = F.cross_entropy(logits, labels)
    d_logits, = torch.autograd.grad(loss, logits, retain_graph=True)
    d_logits = d_logits.float().double()
    logits.backward(d_logits)
    parts = [infer, logits, loss, d_logits, *(w.grad for w in trained)]
    for mean, var in running:
        parts += [mean, var]
    parts.append(losses(nodes, nesterov))
    return np.concatenate([p.detach().numpy().reshape(-1) for p in parts])


def main():
    here = os.path.dirname(os.path.abspath(__file__))
    target = sys.argv[1] if len(sys.argv) > 1 else os.path.join(here, "golden")
    os.makedirs(target, exist_ok=True)
    for name, nodes in NETWORKS.items():
        numbers = golden(nodes, name == "skips").astype("<f8")
        lines = ",\n".join("  " + json.dumps(a) for a in nodes)
        with open(os.path.join(target, name + ".json"), "w") as f:
            f.write('{"batch": %d, "nodes": [\n%s\n]}\n' % (BATCH, lines))
        numbers.tofile(os.path.join(target, name + ".bin"))
        print(f"{name}: {len(nodes)} nodes, {len(numbers)} numbers")


if __name__ == "__main__":
    main()
