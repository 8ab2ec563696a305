"""The process that converts: plan and windows in a folder -> .tflite files in it; the only place of TensorFlow.

Run as ``python -m grfkit.deploy.convert_worker FOLDER``; it prints a line ``done: NAME`` for each step. It ends when
its stdin closes, and takes the folder with it: then whoever asked is gone, and the folder holds people's windows.
"""

from __future__ import annotations

import json
import os
import shutil
import sys
import threading
from pathlib import Path
from typing import Any

import numpy as np

from .layers import Add, Conv, Dense, Hold, Join, Layer, Lstm, Plane, PlanePool, Pool, Reshape, held_rows
from .plan import INPUT, Plan

FLOAT32, FLOAT16, INT8 = "float32", "float16", "int8"
MOST_OFF = 1e-4
"""Greatest difference of the Keras model from the plan, in standardised units: rounding in single precision. Chosen by
hand; a lost weight is off by far more."""


def main(folder: Path) -> None:
    """Write the files that ``request.json`` in a folder asks for."""
    # before TensorFlow is imported. Keras 2, because the LSTM of Keras 3 is not fused: its int8 file fails or gives NaN
    os.environ.update(TF_USE_LEGACY_KERAS="1", TF_CPP_MIN_LOG_LEVEL="3", CUDA_VISIBLE_DEVICES="-1")
    kinds = json.loads((folder / "request.json").read_text(encoding="utf-8"))["kinds"]
    plan = Plan.load(folder)
    windows = np.load(folder / "windows.npy", allow_pickle=False)
    _report("reading")
    network = keras_model(plan)
    expected = plan.run(windows[:1])
    worst = float(np.abs(np.asarray(network(windows[:1], training=False)) - expected).max())
    # not "worst >= ...", which NaN would pass
    if not worst < MOST_OFF:
        raise SystemExit(f"the Keras model differs from the plan by {worst:g}; this is a fault of the conversion")
    _report("keras")
    saved = folder / "saved"
    save(network, saved)
    for kind in kinds:
        (folder / f"{kind}.tflite").write_bytes(converted(saved, kind, windows))
        _report(kind)


def save(network: Any, folder: Path) -> None:
    """Write what the network computes in inference as a SavedModel, once for all kinds.

    A converter given the Keras model would save it anew for each kind with every trace of every layer in training and
    in inference, which takes ten times as long where there are LSTMs.
    """
    import tensorflow as tf

    entry = tf.TensorSpec(network.inputs[0].shape, tf.float32, name=INPUT)
    module = tf.Module()
    module.variables_held = network.variables
    module.answer = tf.function(lambda x: {"output": network(x, training=False)}, input_signature=[entry])
    tf.saved_model.save(module, str(folder), signatures=module.answer)


def converted(saved: Path, kind: str, windows: Any) -> bytes:
    """Return the file of one kind: float32, float16, or int8 with int8 input and output."""
    import tensorflow as tf

    converter = tf.lite.TFLiteConverter.from_saved_model(str(saved))
    if kind != FLOAT32:
        converter.optimizations = [tf.lite.Optimize.DEFAULT]
    if kind == FLOAT16:
        converter.target_spec.supported_types = [tf.float16]
    if kind == INT8:
        converter.representative_dataset = lambda: ([w[None].astype(np.float32)] for w in windows)
        converter.target_spec.supported_ops = [tf.lite.OpsSet.TFLITE_BUILTINS_INT8]
        converter.inference_input_type = converter.inference_output_type = tf.int8
    return bytes(converter.convert())


def keras_model(plan: Plan) -> Any:
    """Return the same graph in Keras 2, of one window at a time."""
    import tf_keras

    # a fixed batch of 1: sizes that are open make a file of dynamic shapes, which the gate refuses
    values = {INPUT: tf_keras.Input(batch_shape=(1, plan.points, plan.width), name=INPUT)}
    for layer in plan.layers:
        values[layer.name] = _keras_layer(layer, [values[n] for n in layer.inputs])
    network = tf_keras.Model(values[INPUT], values[plan.layers[-1].name], name="grf")
    for layer in plan.layers:
        if layer.arrays():
            network.get_layer(layer.name).set_weights(_weights(layer))
    return network


def _weights(layer: Layer) -> list[Any]:
    arrays = layer.arrays()
    return [arrays[n] for n in ("kernel", "recurrent", "bias") if n in arrays]


def _keras_layer(layer: Layer, values: list[Any]) -> Any:
    import tensorflow as tf
    from tf_keras import layers

    relu = "relu" if getattr(layer, "relu", False) else None
    if isinstance(layer, Lstm):
        back = layer.reverse
        cell = layers.LSTM(layer.recurrent.shape[0], return_sequences=True, go_backwards=back, name=layer.name)
        # Keras gives a backward LSTM's outputs in the order in which it went
        return tf.reverse(cell(values[0]), [1]) if back else cell(values[0])
    if isinstance(layer, Dense):
        return layers.Dense(layer.bias.shape[0], activation=relu, name=layer.name)(values[0])
    if isinstance(layer, Conv):
        rows = [layer.pad_rows, layer.pad_rows]
        # padding as an operator of its own, so that dilation stays an attribute and no SPACE_TO_BATCH appears
        padded = any(layer.pad) or layer.pad_rows
        value = tf.pad(values[0], [[0, 0], list(layer.pad), rows, [0, 0]]) if padded else values[0]
        taps, across, _, maps = layer.kernel.shape
        conv = layers.Conv2D(maps, (taps, across), dilation_rate=(layer.dilation, 1), activation=relu, name=layer.name)
        return conv(value)
    if isinstance(layer, Plane):
        pads = list(layer.pad)
        value = tf.pad(values[0], [[0, 0], pads, pads, [0, 0]]) if any(pads) else values[0]
        size, maps = layer.kernel.shape[:2], layer.kernel.shape[3]
        return layers.Conv2D(maps, size, strides=layer.stride, activation=relu, name=layer.name)(value)
    if isinstance(layer, PlanePool):
        return layers.MaxPooling2D(layer.size, strides=layer.stride, name=layer.name)(values[0])
    if isinstance(layer, Add):
        return tf.nn.relu(values[0] + values[1]) if layer.relu else values[0] + values[1]
    if isinstance(layer, Hold):
        # one operator that copies rows; PAD has zeros only, and MIRROR_PAD another row
        return tf.gather(values[0], held_rows(values[0].shape[1], layer.pad), axis=1)
    if isinstance(layer, Join):
        return tf.concat(values, axis=-1)
    if isinstance(layer, Pool):
        return layers.MaxPooling2D((1, layer.size), name=layer.name)(values[0])
    if isinstance(layer, Reshape):
        return tf.reshape(values[0], (1, *layer.shape))
    raise SystemExit(f"layer '{layer.name}' is of kind '{layer.kind}', which the converter does not know")


def _report(step: str) -> None:
    print(f"done: {step}", flush=True)


def _end_with_the_asker(folder: Path) -> None:
    """Wait until stdin closes, then remove the folder and end this process."""
    # not sys.stdin, whose lock this thread would hold when the interpreter ends
    while os.read(0, 1):
        pass
    shutil.rmtree(folder, ignore_errors=True)
    os._exit(1)


if __name__ == "__main__":
    threading.Thread(target=_end_with_the_asker, args=(Path(sys.argv[1]),), daemon=True).start()
    main(Path(sys.argv[1]))
