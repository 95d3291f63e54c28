// Read foreign files, and compare with onnxruntime: what other software writes
// in the ways that onnx_foreign.py knows.
//
//     node onnx_foreign.js ONNX_PEER DIR PEERS PYTHON
//
// Ends with 77 (skipped) where onnxruntime-node or Python's onnx is missing.
'use strict';
const {execFileSync, spawnSync} = require('child_process');
const path = require('path');
const peer = require('./onnx_compare.js');

// Relative to the largest logit.
async function compare(ort, program, base) {
    const expected = await peer.run(ort, base, peer.floats(base + '.images'));
    execFileSync(program, ['logits', base + '.onnx', base + '.images',
                           base + '.logits'], {stdio: 'inherit'});
    const ours = peer.floats(base + '.logits');
    return peer.difference(ours, expected) / peer.largestOf(expected);
}

const [program, dir, peers, python] = process.argv.slice(2);
const ort = peer.load(peers);
const made = spawnSync(python, [path.join(__dirname, 'onnx_foreign.py'), dir],
                       {stdio: 'inherit'});
if (made.status === 77)
    peer.skip(`${python} lacks a package`);
if (made.status !== 0)
    throw new Error('onnx_foreign.py did not finish');
peer.judge(peer.models(dir), 1e-5, (base) => compare(ort, program, base));
