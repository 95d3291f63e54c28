// Run files of ours in onnxruntime, and compare with the oracle.
//
//     node onnx_runtime.js ONNX_PEER DIR PEERS
//
// PEERS is where onnxruntime-node is installed (tools/peers.sh). Ends with 77
// (skipped) where it is not.
'use strict';
const {execFileSync} = require('child_process');
const fs = require('fs');
const path = require('path');

const IMAGES = 4;
const BOUND = 1e-5;

function load(peers) {
    try {
        return require(path.join(peers, 'node_modules', 'onnxruntime-node'));
    } catch (error) {
        if (error.code !== 'MODULE_NOT_FOUND')
            throw error;
        console.log(`skipped: onnxruntime-node is not installed in ${peers}`);
        process.exit(77);
    }
}

function floats(file) {
    const bytes = fs.readFileSync(file);
    return new Float32Array(bytes.buffer, bytes.byteOffset, bytes.length / 4);
}

// The shape of the input, as onnx_peer says it.
function shape(base) {
    return fs.readFileSync(base + '.shape', 'utf8').trim().split(' ').map(Number);
}

function largest(a, b) {
    if (a.length !== b.length)
        return Infinity;
    let most = 0;
    for (let i = 0; i < a.length; i++) {
        const d = Math.abs(a[i] - b[i]);
        most = d <= most ? most : d;   // a NaN wins
    }
    return most;
}

async function probabilities(ort, base, images, dims) {
    const session = await ort.InferenceSession.create(
        base + '.onnx', {intraOpNumThreads: 1, logSeverityLevel: 3});
    const feed = {image: new ort.Tensor('float32', images, dims)};
    const result = await session.run(feed);
    return result.probabilities.data;
}

async function compare(ort, base) {
    const [c, h, w] = shape(base);
    const images = floats(base + '.images');
    const expected = floats(base + '.probabilities');
    const all = await probabilities(ort, base, images, [IMAGES, c, h, w]);
    const one = await probabilities(ort, base, images.subarray(0, c * h * w),
                                    [1, c, h, w]);
    return Math.max(largest(all, expected),
                    largest(one, expected.subarray(0, one.length)));
}

async function main() {
    const [peer, dir, peers] = process.argv.slice(2);
    const ort = load(path.resolve(peers));
    execFileSync(peer, ['write', dir], {stdio: 'inherit'});
    const bases = fs.readdirSync(dir).filter((f) => f.endsWith('.onnx')).sort()
        .map((f) => path.join(dir, f.slice(0, -5)));
    let failed = 0, most = 0;
    for (const base of bases) {
        const difference = await compare(ort, base);
        most = Math.max(most, difference);
        if (!(difference <= BOUND)) {
            console.log(`${base}: differs by ${difference}, at most ${BOUND} expected`);
            failed++;
        }
    }
    console.log(`largest difference ${most.toExponential(2)}`);
    console.log(`${bases.length - failed} passed, ${failed} failed`);
    if (failed > 0 || bases.length < 20)
        process.exit(1);
}

main();
