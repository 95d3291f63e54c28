"""Ask the onnx package's checker, with full checks, about files of ours.

    onnx_check.py ONNX_PEER DIR

Ends with 77 (skipped) where the onnx package is missing.
"""

import glob
import os
import subprocess
import sys


def face(value):
    tensor = value.type.tensor_type
    dims = [d.dim_param or d.dim_value for d in tensor.shape.dim]
    return value.name, tensor.elem_type, dims


def check(onnx, path):
    model = onnx.load(path)
    onnx.checker.check_model(model, full_check=True)
    inferred = onnx.shape_inference.infer_shapes(
        model, check_type=True, strict_mode=True
    )
    known = {v.name for v in inferred.graph.value_info}
    given = {o for n in model.graph.node for o in n.output}
    assert given - known <= {"probabilities"}, given - known
    assert model.ir_version == 8 and model.producer_name == "nash"
    assert [(o.domain, o.version) for o in model.opset_import] == [("", 17)]
    (image,) = map(face, model.graph.input)
    (probabilities,) = map(face, model.graph.output)
    assert image[:2] == ("image", 1) and image[2][0] == "N", image
    assert len(image[2]) == 4, image
    assert probabilities[:2] == ("probabilities", 1), probabilities
    assert probabilities[2][0] == "N" and len(probabilities[2]) == 2
    names = [n.name for n in model.graph.node]
    assert len(set(names)) == len(names)
    return {p.key: p.value for p in model.metadata_props}


def main():
    peer, directory = sys.argv[1:]
    try:
        import onnx
    except ImportError:
        print(f"skipped: {sys.executable} has no onnx package")
        return 77
    subprocess.run([peer, "write", directory], check=True)
    paths = sorted(glob.glob(os.path.join(directory, "*.onnx")))
    assert len(paths) > 20, paths
    metadata = {os.path.basename(p): check(onnx, p) for p in paths}
    assert metadata["start_1_looks.onnx"]["nash.classes"] == '["cat","Käse"]'
    print(f"{len(paths)} passed, 0 failed")
    return 0


if __name__ == "__main__":
    sys.exit(main())
