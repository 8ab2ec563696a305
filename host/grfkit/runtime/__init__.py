"""Inference without torch or TensorFlow: one function over LiteRT, tflite-runtime and TFLite Micro."""

from .interpreters import BACKENDS, Interpreter, available, load
from .numbers import Saturated, from_int8, to_int8

__all__ = ["BACKENDS", "Interpreter", "Saturated", "available", "from_int8", "load", "to_int8"]
