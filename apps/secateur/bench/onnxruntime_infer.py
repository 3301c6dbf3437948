"""Inference in ONNX Runtime, for `secateur bench infer --against onnxruntime`: the networks as Secateur exports them."""

import time

import peer


def prepare(spec):
    import numpy
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = spec["threads"]
    options.graph_optimization_level = onnxruntime.GraphOptimizationLevel.ORT_ENABLE_ALL
    wanted = "CUDAExecutionProvider" if spec["device"] == "cuda" else "CPUExecutionProvider"
    if wanted not in onnxruntime.get_available_providers():
        raise RuntimeError(f"this ONNX Runtime has no {wanted}")
    sessions = {}

    def answer(question):
        """Mean seconds of an inference."""
        path = question["model"]
        if path not in sessions:
            session = onnxruntime.InferenceSession(path, options, providers=[wanted])
            shape = session.get_inputs()[0].shape
            images = numpy.random.default_rng(1).standard_normal(shape, dtype=numpy.float32)
            session.run(None, {"image": images})
            sessions[path] = session, images
        session, images = sessions[path]
        runs, start = 0, time.perf_counter()
        while True:
            session.run(None, {"image": images})
            runs += 1
            seconds = time.perf_counter() - start
            if seconds >= question["seconds"]:
                return {"seconds": seconds / runs}

    return {"library": f"ONNX Runtime {onnxruntime.__version__}", "device": wanted}, answer


peer.serve(prepare)
