// Take PyTorch's exports through what a search does to a network, and compare
// in onnxruntime: the file as PyTorch wrote it with what the oracle makes of it;
// a random chain of twenty morphisms with what it began from; and the trained end
// of that chain with the oracle.
//
//     node onnx_exports.js ONNX_PEER DIR PEERS [EVERY]
//
// DIR is where onnx_torch.py left its files; all are read, every EVERY-th (1) is
// morphed and trained. Ends with 77 (skipped) where they
// or onnxruntime-node are missing.
'use strict';
const {execFileSync} = require('child_process');
const fs = require('fs');
const peer = require('./onnx_compare.js');

function softmax(logits, rows) {
    const classes = logits.length / rows;
    const out = new Float32Array(logits.length);
    for (let i = 0; i < rows; i++) {
        const row = logits.subarray(i * classes, (i + 1) * classes);
        const most = row.reduce((a, b) => Math.max(a, b));
        const powers = Array.from(row, (v) => Math.exp(v - most));
        const sum = powers.reduce((a, b) => a + b);
        powers.forEach((p, k) => out[i * classes + k] = p / sum);
    }
    return out;
}

// The largest difference of the three comparisons, in probabilities.
async function compare(ort, program, base, seed, whole) {
    const [c, h, w] = peer.shape(base);
    const images = peer.floats(base + '.images');
    const rows = images.length / (c * h * w);
    const tool = (...args) => execFileSync(program, args, {stdio: 'inherit'});
    const judged = (model) => {
        tool('logits', model, base + '.images', base + '.logits');
        return softmax(peer.floats(base + '.logits'), rows);
    };
    const before = softmax(await peer.run(ort, base, images), rows);

    const read = peer.difference(judged(base + '.onnx'), before);

    if (!whole)
        return read;

    tool('morph', base + '.onnx', base + '.images', base + '.child', seed);
    const child = await peer.run(ort, base, images, base + '.child');
    const morphed = peer.difference(child, before);

    tool('train', base + '.child', base + '.images', base + '.trained');
    const after = await peer.run(ort, base, images, base + '.trained');
    const trained = peer.difference(judged(base + '.trained'), after);
    return Math.max(read, morphed, trained);
}

const [program, dir, peers, every = 1] = process.argv.slice(2);
const ort = peer.load(peers);
const bases = fs.existsSync(dir) ? peer.models(dir) : [];
if (bases.length === 0)
    peer.skip(`onnx_torch.py left nothing in ${dir}`);
peer.judge(bases, 1e-5, (base) => {
    const seed = bases.indexOf(base);
    return compare(ort, program, base, String(seed), seed % every === 0);
});
