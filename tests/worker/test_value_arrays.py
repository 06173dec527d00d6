"""Arrays and tensors that travel: numpy's and torch's come out as they went in."""

from __future__ import annotations

from collections import OrderedDict
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from mlk_jupyter.worker.values import ValueProblem

from .samplevalues import there_and_back


@settings(max_examples=200, deadline=None)
@given(
    hnp.arrays(
        st.one_of(hnp.scalar_dtypes(), hnp.array_dtypes(), hnp.nested_dtypes()).filter(
            lambda dtype: dtype.itemsize < 200
        ),
        hnp.array_shapes(min_dims=0, max_dims=3, min_side=0, max_side=4),
    ),
    st.sampled_from(["whole", "transposed", "reversed", "inside"]),
)
def test_arrays_of_every_type_come_out_as_they_went_in(array: Any, how: str) -> None:
    array = {"transposed": array.T, "reversed": array[::-1] if array.ndim else array}.get(how, array)
    try:
        back = there_and_back({"a": array})["a"] if how == "inside" else there_and_back(array)
    except ValueProblem as problem:
        assert "cannot be written" in str(problem)  # refused: better than changed
        return
    assert back.dtype == array.dtype and back.shape == array.shape and back.tobytes() == array.tobytes()
    assert back.flags.writeable


@pytest.mark.parametrize("kind", "?bhilqBHILQefdgFDGSUVmM")
def test_arrays_and_scalars_of_each_of_numpys_types(kind: str) -> None:
    dtype = np.dtype({"S": "S3", "U": "U3", "V": "V3", "m": "m8[ns]", "M": "M8[D]"}.get(kind, kind))
    for order in "<>":
        array = np.zeros((2, 2), dtype.newbyteorder(order))
        array.flat[1] = np.ones(1, dtype.newbyteorder(order))[0]
        back = there_and_back(array)
        assert back.dtype == array.dtype and back.tobytes() == array.tobytes()
    scalar = np.ones(1, dtype)[0]
    back = there_and_back([scalar])[0]
    assert isinstance(back, np.generic) and back.dtype == scalar.dtype and back == scalar


def test_numpys_texts_keep_the_zeros_at_their_end() -> None:
    for value in (np.str_("a\0\0"), np.bytes_(b"a\0"), np.str_("")):
        back = there_and_back(value)
        assert type(back) is type(value) and back == value and len(back) == len(value)


@pytest.mark.parametrize(
    "dtype", ["float32", "bfloat16", "float16", "int8", "bool", "complex64", "float8_e4m3fn", "uint8"]
)
def test_tensors_come_out_as_they_went_in(dtype: str) -> None:
    tensor = (torch.arange(6).reshape(2, 3) % 2).to(getattr(torch, dtype)).T
    back = there_and_back(OrderedDict(w=tensor))["w"]
    assert back.dtype is tensor.dtype and back.shape == tensor.shape and not back.requires_grad
    assert torch.equal(
        back.view(torch.uint8) if dtype[-2:] == "fn" else back,
        tensor.contiguous().view(torch.uint8) if dtype[-2:] == "fn" else tensor,
    )
    for shape in ((), (0, 3)):
        assert there_and_back(torch.zeros(shape)).shape == shape
    assert there_and_back(torch.ones(2, requires_grad=True)).requires_grad
    assert there_and_back(torch.tensor([1 + 2j]).conj()).resolve_conj()[0] == 1 - 2j


def test_a_models_state_comes_out_as_it_went_in() -> None:
    model = torch.nn.Sequential(torch.nn.Linear(3, 2), torch.nn.BatchNorm1d(2))
    state = there_and_back({"state": dict(model.state_dict()), "loss": [np.float32(0.5)]})["state"]
    assert all(torch.equal(value, state[name]) for name, value in model.state_dict().items())
