"""Which bias of a file is which of the plan's."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

from grfkit.deploy.layers import Dense
from grfkit.deploy.repair import in_plan
from grfkit.deploy.tflite_file import TensorInfo
from grfkit.errors import BadInputError

DENSE = Dense("output", ("head",), np.zeros((3, 1), dtype=np.float32), np.asarray([-0.9752116], dtype=np.float32))
PLAN: Any = SimpleNamespace(layers=(DENSE,))


def stored(step: float, off: float) -> Any:
    """Return a bias of a file, ``off`` steps from the plan's."""
    steps = np.asarray([round(float(DENSE.bias[0]) / step + off)], dtype=np.int32)
    tensor = TensorInfo(6, "grf/output/BiasAdd", (1,), (1,), "int32", (step,), (0,), 0, steps, False)
    return SimpleNamespace(operator="operator 14 FULLY_CONNECTED", bias=tensor)


def test_a_bias_of_more_steps_than_single_precision_tells_apart_is_the_plan_s() -> None:
    layer, values = in_plan(stored(7e-8, 1.0), PLAN)
    assert layer is DENSE
    assert values[0] == DENSE.bias[0]
    assert in_plan(stored(1e-4, 0.0), PLAN)[0] is DENSE


@pytest.mark.parametrize(("step", "off"), [(7e-8, 4.0), (1e-4, 1.1)])
def test_a_bias_of_another_model_is_refused(step: float, off: float) -> None:
    with pytest.raises(BadInputError, match="none of the plan's"):
        in_plan(stored(step, off), PLAN)
