// Run files of ours in onnxruntime, and compare with the oracle.
//
//     node onnx_runtime.js ONNX_PEER DIR PEERS
//
// PEERS is where onnxruntime-node is installed (tools/peers.sh). Ends with 77
// (skipped) where it is not.
'use strict';
const {execFileSync} = require('child_process');
const peer = require('./onnx_compare.js');

async function compare(ort, base) {
    const [c, h, w] = peer.shape(base);
    const images = peer.floats(base + '.images');
    const expected = peer.floats(base + '.probabilities');
    const all = await peer.run(ort, base, images);
    const one = await peer.run(ort, base, images.subarray(0, c * h * w));
    return Math.max(peer.difference(all, expected),
                    peer.difference(one, expected.subarray(0, one.length)));
}

const [program, dir, peers] = process.argv.slice(2);
const ort = peer.load(peers);
execFileSync(program, ['write', dir], {stdio: 'inherit'});
peer.judge(peer.models(dir), 1e-5, (base) => compare(ort, base));
