"""Networks behind one registry: each maps (batch, time, channels) and statics to (batch, time, axes)."""

from .base import Body, ForceNetwork, NetworkConfig, Shape
from .convolutional import Cnn1dConfig, Cnn2dConfig, TcnConfig
from .hybrid import Cnn1dLstmConfig, Cnn2dLstmConfig, MlpConfig
from .recurrent import BilstmConfig, GruConfig, LstmConfig
from .registry import (
    build,
    every_network_names,
    imagenet_network_names,
    network_config,
    network_names,
    parameter_count,
    picture_network_names,
)

__all__ = [
    "BilstmConfig",
    "Body",
    "Cnn1dConfig",
    "Cnn1dLstmConfig",
    "Cnn2dConfig",
    "Cnn2dLstmConfig",
    "ForceNetwork",
    "GruConfig",
    "LstmConfig",
    "MlpConfig",
    "NetworkConfig",
    "Shape",
    "TcnConfig",
    "build",
    "every_network_names",
    "imagenet_network_names",
    "network_config",
    "network_names",
    "parameter_count",
    "picture_network_names",
]
