// What the tests with onnxruntime share.
'use strict';
const fs = require('fs');
const path = require('path');

function skip(why) {
    console.log(`skipped: ${why}`);
    process.exit(77);
}

// onnxruntime-node from where tools/peers.sh puts it.
function load(peers) {
    try {
        return require(path.resolve(peers, 'node_modules', 'onnxruntime-node'));
    } catch (error) {
        if (error.code !== 'MODULE_NOT_FOUND')
            throw error;
        return skip(`onnxruntime-node is not installed in ${peers}`);
    }
}

function floats(file) {
    const bytes = fs.readFileSync(file);
    return new Float32Array(bytes.buffer.slice(bytes.byteOffset,
                                               bytes.byteOffset + bytes.length));
}

// [C, H, W] as the file beside a model says.
function shape(base) {
    return fs.readFileSync(base + '.shape', 'utf8').trim().split(' ').map(Number);
}

function models(dir) {
    return fs.readdirSync(dir).filter((f) => f.endsWith('.onnx')).sort()
        .map((f) => path.join(dir, f.slice(0, -5)));
}

// The one output of a model, by default BASE.onnx, for images of BASE's shape.
async function run(ort, base, images, model = base + '.onnx') {
    const session = await ort.InferenceSession.create(
        model, {intraOpNumThreads: 1, logSeverityLevel: 3});
    const [c, h, w] = shape(base);
    const tensor = new ort.Tensor('float32', images,
                                  [images.length / (c * h * w), c, h, w]);
    const result = await session.run({[session.inputNames[0]]: tensor});
    return result[session.outputNames[0]].data;
}

function largestOf(values) {
    return values.reduce((most, v) => Math.max(most, Math.abs(v)), 0);
}

// Infinity where there is something else than numbers of the same count.
function difference(a, b) {
    if (a.length !== b.length || a.length === 0)
        return Infinity;
    let most = 0;
    for (let i = 0; i < a.length; i++) {
        const d = Math.abs(a[i] - b[i]);
        if (!(d <= most))
            most = Number.isNaN(d) ? Infinity : d;
    }
    return most;
}

// Judge all models by difference(base), print what fails and a summary.
async function judge(bases, bound, differ) {
    let failed = 0, most = 0;
    for (const base of bases) {
        const d = await differ(base);
        most = Math.max(most, d);
        if (!(d <= bound)) {
            console.log(`${base}: differs by ${d}, expected at most ${bound}`);
            failed++;
        }
    }
    console.log(`largest difference ${most.toExponential(2)}`);
    console.log(`${bases.length - failed} passed, ${failed} failed`);
    process.exit(failed > 0 || bases.length === 0 ? 1 : 0);
}

module.exports = {skip, load, floats, shape, models, run, largestOf, difference,
                  judge};
