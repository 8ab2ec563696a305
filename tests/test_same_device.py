"""Is a document refused for a device other than the one that it was measured on, by whatever name a reader keeps it?"""

from __future__ import annotations

import pytest
import xarray as xr

from grfkit.calibrate.same_device import refuse_other_device, stated_device
from grfkit.errors import BadInputError


@pytest.mark.parametrize("key", ["device", "device_id"])
def test_a_document_of_another_device_is_refused(key: str) -> None:
    stream = xr.Dataset(attrs={key: "D1"})
    assert stated_device(stream) == "D1"
    with pytest.raises(
        BadInputError, match="'six' was measured on 'IMU-A', 'imu_left' is of 'D1'; calibrate this sensor"
    ):
        refuse_other_device(stream, "imu_left", "six", "IMU-A", what="sensor")
    refuse_other_device(stream, "imu_left", "six", "D1", what="sensor")


def test_what_states_no_device_is_not_refused() -> None:
    refuse_other_device(xr.Dataset(), "imu_left", "six", "IMU-A", what="sensor")
    refuse_other_device(xr.Dataset(attrs={"device_id": "D1"}), "imu_left", "six", "", what="sensor")
