// The example page in headless Chromium: its probabilities of pictures are those
// of nash predict.
//
//     node browser.js NASH DIR PEERS CHROMIUM
//
// Ends with 77 (skipped) where onnxruntime-web or Chromium is missing.
'use strict';
const {execFileSync, spawn} = require('child_process');
const fs = require('fs');
const http = require('http');
const path = require('path');
const peer = require('./onnx_compare.js');

const PICTURES = ['rgb8.png', 'palette8.png', 'grey8.png'];
const MOST_SECONDS = 90;
const here = path.resolve(__dirname, '..');

// Appended to the page: predict every picture, then choose files as a visitor
// does, counting the networks that are open, and tell this program.
const driver = `<script type="module">
const {InferenceSession} = ort;
const create = InferenceSession.create;
let created = 0, released = 0;
InferenceSession.create = async (...given) => {
    const session = await create.apply(InferenceSession, given);
    const release = session.release.bind(session);
    session.release = () => { released++; return release(); };
    created++;
    return session;
};
const {ready, predict, attempt} = await import('./predict.js');
const get = async (name) => (await fetch(name)).blob();
const choose = async (id, name) => {
    const files = new DataTransfer(), input = document.getElementById(id);
    files.items.add(new File([await get(name)], name));
    input.files = files.files;
    input.dispatchEvent(new Event('change'));
    await attempt(async () => {}); // behind what was begun
};
try {
    await ready;
    const told = {};
    for (const name of ${JSON.stringify(PICTURES)})
        told[name] = {probabilities: Array.from(await predict(await get('pictures/' + name))),
                      first: document.querySelector('#result td').textContent};
    await choose('model', 'best.onnx');
    for (const name of ${JSON.stringify(PICTURES)})
        await choose('picture', 'pictures/' + name);
    const first = document.querySelector('#result td').textContent;
    const message = document.getElementById('message').textContent;
    await fetch('told', {method: 'POST', body: JSON.stringify(
        {told, message, chosen: {created, released, first}})});
} catch (error) {
    await fetch('told', {method: 'POST', body: JSON.stringify({error: error.stack})});
}
</script>`;

const types = {'.html': 'text/html', '.js': 'text/javascript',
               '.wasm': 'application/wasm'};

// The page, what it needs, and the end of the test.
function serve(dir, peers, done) {
    const roots = [[/^node_modules\//, peers], [/^best\.onnx$/, dir],
                   [/^pictures\//, dir], [/^/, path.join(here, 'examples/browser')]];
    return http.createServer((request, response) => {
        const name = request.url.slice(1) || 'index.html';
        if (request.method === 'POST') {
            let body = '';
            request.on('data', (part) => body += part);
            request.on('end', () => { response.end(); done(JSON.parse(body)); });
            return;
        }
        const root = roots.find(([pattern]) => pattern.test(name))[1];
        fs.readFile(path.join(root, name), (error, bytes) => {
            response.writeHead(error ? 404 : 200,
                {'Content-Type': types[path.extname(name)] ?? 'application/octet-stream'});
            response.end(error ? '' : name === 'index.html' ? bytes + driver : bytes);
        });
    });
}

// A network for pictures of the tests' size, so that no rule of resizing matters.
function prepare(nash, dir) {
    const classes = {bright: 'rgb8.png', 'dark "one"': 'palette8.png'};
    fs.rmSync(dir, {recursive: true, force: true});
    for (const [name, picture] of Object.entries(classes)) {
        const folder = path.join(dir, 'data/train', name);
        fs.mkdirSync(folder, {recursive: true});
        for (let i = 0; i < 4; i++)
            fs.copyFileSync(path.join(here, 'tests/pictures', picture),
                            path.join(folder, `${i}.png`));
    }
    fs.mkdirSync(path.join(dir, 'pictures'));
    for (const name of PICTURES)
        fs.copyFileSync(path.join(here, 'tests/pictures', name),
                        path.join(dir, 'pictures', name));
    execFileSync(nash, ['train', 'start', path.join(dir, 'data'), '-o',
                        path.join(dir, 'best.onnx'), '--size', '5x7', '--widths',
                        '4,4,4', '--epochs', '2', '--batch', '4', '--threads', '1',
                        '--val-share', '0'], {stdio: ['ignore', 'ignore', 'inherit']});
}

// What nash says of a picture: class -> probability, the likeliest first.
function judged(nash, dir, name) {
    const said = JSON.parse(execFileSync(nash, [
        'predict', '--json', path.join(dir, 'best.onnx'),
        path.join(dir, 'pictures', name)]));
    return said[0].classes;
}

function check(nash, dir, {told, message, error, chosen}) {
    if (error || message)
        throw new Error(`the page says: ${error ?? message}`);
    const {created, released, first} = chosen;
    if (created !== 2 || released !== 1)
        throw new Error(`${created} networks were opened and ${released} released, ` +
                        'expected 2 and 1');
    if (first !== told[PICTURES[PICTURES.length - 1]].first)
        throw new Error(`of the last picture chosen the page says ${first}`);
    let most = 0;
    for (const name of PICTURES) {
        const ours = judged(nash, dir, name);
        const theirs = told[name].probabilities.slice().sort((a, b) => b - a);
        if (told[name].first !== ours[0].class)
            throw new Error(`${name}: the page says ${told[name].first}, ` +
                            `nash ${ours[0].class}`);
        most = Math.max(most, peer.difference(theirs, ours.map((c) => c.probability)));
    }
    console.log(`${PICTURES.length} pictures, largest difference ${most.toExponential(2)}`);
    if (!(most <= 1e-5))
        throw new Error('expected at most 1e-5');
}

// Start Chromium on the page and wait for what it tells.
async function run(chromium, dir, peers) {
    let browser, timer;
    const profile = path.join(dir, 'profile');
    const told = new Promise((resolve, reject) => {
        const server = serve(dir, peers, resolve);
        server.unref();
        server.listen(0, '127.0.0.1', () => {
            browser = spawn(chromium, [
                '--headless=new', '--no-sandbox', '--disable-gpu', '--no-first-run',
                '--disable-dev-shm-usage', `--user-data-dir=${profile}`,
                `http://127.0.0.1:${server.address().port}/`], {stdio: 'ignore'});
            browser.on('error', reject);
            browser.on('exit', () => reject(new Error('Chromium ended early')));
        });
        timer = setTimeout(() => reject(new Error('the page says nothing')),
                           1000 * MOST_SECONDS);
    });
    try {
        return await told;
    } finally {
        clearTimeout(timer);
        browser?.removeAllListeners('exit');
        browser?.kill('SIGKILL');
    }
}

const [nash, dir, peers, chromium] = process.argv.slice(2);
if (!chromium || !fs.existsSync(chromium))
    peer.skip('Chromium is not installed');
if (!fs.existsSync(path.join(peers, 'node_modules/onnxruntime-web')))
    peer.skip(`onnxruntime-web is not installed in ${peers}`);
prepare(nash, dir);
run(chromium, dir, peers)
    .then((told) => check(nash, dir, told))
    .then(() => process.exit(0), (error) => {
        console.log(error.message);
        process.exit(1);
    });
