// Run a model file of nash's with onnxruntime-web. It takes raw pixels,
// "image" [N,C,H,W] in 0..255, and gives "probabilities" [N,K]; the names of the
// classes are in its metadata, as a JSON array under "nash.classes".

ort.env.wasm.wasmPaths = 'node_modules/onnxruntime-web/dist/';
ort.env.wasm.numThreads = 1; // more need a server that isolates the page

const MOST_SHOWN = 5;
const at = (id) => document.getElementById(id);

// ---- the file, as far as onnxruntime-web does not tell of it ----------------

// The fields of a protobuf message: number -> list of integers or bytes.
function fields(bytes) {
    const found = new Map();
    let i = 0;
    const integer = () => {
        let value = 0, scale = 1, byte;
        do {
            byte = bytes[i++];
            value += (byte & 127) * scale;
            scale *= 128;
        } while (byte & 128);
        return value;
    };
    while (i < bytes.length) {
        const tag = integer(), number = Math.floor(tag / 8);
        let value;
        if (tag % 8 === 0) {
            value = integer();
        } else if (tag % 8 === 2) {
            const length = integer();
            value = bytes.subarray(i, i += length);
        } else {
            i += tag % 8 === 1 ? 8 : 4;
        }
        found.set(number, [...(found.get(number) ?? []), value]);
    }
    return found;
}

const text = (bytes) => new TextDecoder().decode(bytes);

// [C, H, W] of the input, and the classes' names where there are any.
function describe(bytes) {
    const model = fields(bytes), names = {};
    for (const entry of model.get(14) ?? []) {
        const pair = fields(entry);
        names[text(pair.get(1)[0])] = text(pair.get(2)[0]);
    }
    let part = fields(model.get(7)[0]);
    for (const number of [11, 2, 1, 2]) // input, type, tensor, shape
        part = fields(part.get(number)[0]);
    const shape = part.get(1).map((dim) => fields(dim).get(1)?.[0]);
    return {shape: shape.slice(1), classes: JSON.parse(names['nash.classes'] ?? '[]')};
}

// ---- a prediction -----------------------------------------------------------

let network = null;

// Takes the place of the network before, which is released.
async function open(bytes) {
    const face = describe(bytes), before = network;
    network = {session: await ort.InferenceSession.create(bytes), ...face};
    await before?.session.release();
    const [c, h, w] = network.shape;
    at('about').textContent = `It takes ${h} x ${w} pixels, ${c === 1 ? 'grey' : 'colour'}.`;
}

// The picture stretched to the network's size, as planes.
function pixels(picture) {
    const [c, h, w] = network.shape, canvas = at('seen');
    [canvas.width, canvas.height] = [w, h];
    const context = canvas.getContext('2d', {willReadFrequently: true});
    context.fillStyle = 'white'; // behind what is transparent
    context.fillRect(0, 0, w, h);
    context.imageSmoothingQuality = 'high';
    context.drawImage(picture, 0, 0, w, h);
    const rgba = context.getImageData(0, 0, w, h).data;
    const planes = new Float32Array(c * h * w);
    for (let i = 0; i < h * w; i++) {
        const [r, g, b] = rgba.subarray(4 * i, 4 * i + 3);
        if (c === 1)
            planes[i] = Math.round(0.299 * r + 0.587 * g + 0.114 * b);
        else
            [r, g, b].forEach((v, k) => planes[k * h * w + i] = v);
    }
    return new ort.Tensor('float32', planes, [1, c, h, w]);
}

function show(probabilities) {
    const rows = Array.from(probabilities, (p, k) => [network.classes[k] ?? `${k}`, p]);
    rows.sort((a, b) => b[1] - a[1]);
    at('result').replaceChildren(...rows.slice(0, MOST_SHOWN).map((row) => {
        const line = document.createElement('tr');
        for (const cell of [row[0], `${(100 * row[1]).toFixed(3)} %`])
            line.appendChild(document.createElement('td')).textContent = cell;
        return line;
    }));
}

async function predict(file) {
    const picture = await createImageBitmap(file, {colorSpaceConversion: 'none'});
    const {probabilities} = await network.session.run({image: pixels(picture)});
    show(probabilities.data);
    return probabilities.data;
}

// ---- the page ---------------------------------------------------------------

let last = Promise.resolve();

// One after the other: a network is not released while it is asked.
function attempt(action) {
    last = last.then(async () => {
        at('message').textContent = '';
        try {
            await action();
        } catch (error) {
            at('message').textContent = error.message;
        }
    });
    return last;
}

async function fetchModel() {
    const answer = await fetch('best.onnx');
    if (!answer.ok)
        throw new Error('There is no best.onnx beside this page: choose a network.');
    await open(new Uint8Array(await answer.arrayBuffer()));
}

async function chosenModel() {
    const [model] = at('model').files;
    if (model)
        await open(new Uint8Array(await model.arrayBuffer()));
    await chosenPicture();
}

async function chosenPicture() {
    const [picture] = at('picture').files;
    if (picture && network)
        await predict(picture);
}

at('model').addEventListener('change', () => attempt(chosenModel));
at('picture').addEventListener('change', () => attempt(chosenPicture));
export const ready = attempt(fetchModel);
export {attempt, predict};
