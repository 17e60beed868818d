"""What converters share: deterministic files, and a reader of ONNX."""

import json
import struct
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

Array = NDArray[Any]


def write_json(path: Path, content: Mapping[str, Any]) -> None:
    """Write a JSON object in the manner of transformers, with its folder."""
    path.parent.mkdir(parents=True, exist_ok=True)
    text = json.dumps(content, indent=2, ensure_ascii=False)
    path.write_text(text + "\n", encoding="utf-8", newline="\n")


def write_text(path: Path, text: str) -> None:
    """Write text with the same line ends on every system."""
    path.write_text(text.strip() + "\n", encoding="utf-8", newline="\n")


def write_weights(path: Path, tensors: Mapping[str, Array]) -> None:
    """Write tensors as safetensors; equal tensors give equal bytes."""
    from safetensors.numpy import save_file

    ordered = {
        name: np.ascontiguousarray(tensors[name]) if tensors[name].ndim else tensors[name]
        for name in sorted(tensors)
    }
    save_file(ordered, path, metadata={"format": "pt"})


@dataclass
class Node:
    """An operation of an ONNX graph, as far as the converters need it.

    Attributes:
        kind: For example `MatMul`.
        name: Its name.
        inputs: Names of tensors.
        outputs: Names of tensors.
        numbers: Whole-number attributes by name.
    """

    kind: str = ""
    name: str = ""
    inputs: list[str] = field(default_factory=list)
    outputs: list[str] = field(default_factory=list)
    numbers: dict[str, int] = field(default_factory=dict)


# Numbers of the fields in onnx.proto.
_GRAPH, _NODE, _INITIALIZER = 7, 1, 5
_TYPES = {1: "<f4", 2: "u1", 3: "i1", 6: "<i4", 7: "<i8", 10: "<f2"}


def read_onnx(path: Path) -> tuple[dict[str, Array], list[Node]]:
    """Read the weights and operations of an ONNX model.

    ONNX files are protocol buffers. This reads the few fields that are needed, so that no
    package for ONNX has to be installed.

    Args:
        path: The model.

    Returns:
        The initializers by name, and the nodes in order.
    """
    tensors, nodes = {}, []
    for number, graph in _fields(memoryview(path.read_bytes())):
        if number != _GRAPH:
            continue
        for kind, content in _fields(graph):
            if kind == _INITIALIZER:
                name, tensor = _tensor(content)
                tensors[name] = tensor
            elif kind == _NODE:
                nodes.append(_node(content))
    return tensors, nodes


def _fields(content: memoryview) -> Iterator[tuple[int, Any]]:
    """Yield number and value of each field of a protocol buffer message."""
    position = 0
    while position < len(content):
        key, position = _varint(content, position)
        wire = key & 7
        if wire == 0:
            value, position = _varint(content, position)
            yield key >> 3, value
        else:
            if wire == 2:
                size, position = _varint(content, position)
            else:
                size = {1: 8, 5: 4}[wire]
            yield key >> 3, content[position : position + size]
            position += size


def _varint(content: memoryview, position: int) -> tuple[int, int]:
    """Read a number of variable length; return it and the position after it."""
    value = shift = 0
    while True:
        byte = content[position]
        position += 1
        value |= (byte & 127) << shift
        if byte < 128:
            return value, position
        shift += 7


def _tensor(content: memoryview) -> tuple[str, Array]:
    """Read a TensorProto whose content is raw bytes or packed floats."""
    shape: list[int] = []
    small: list[int] = []
    name, kind, data = "", 0, b""
    for number, value in _fields(content):
        if number in (1, 5):  # shape, or whole numbers of less than 64 bits
            numbers = shape if number == 1 else small
            position = 0
            if isinstance(value, int):
                numbers.append(value)
                continue
            while position < len(value):
                item, position = _varint(value, position)
                numbers.append(item)
        elif number == 2:
            kind = value
        elif number == 8:
            name = bytes(value).decode()
        elif number in (4, 9):
            data = bytes(value)
    if kind in _TYPES and small:
        return name, np.array(small, _TYPES[kind]).reshape(shape)
    if kind not in _TYPES or (not data and np.prod(shape)):
        return name, np.zeros(0)  # scalars of the graph in other fields: not weights
    return name, np.frombuffer(data, _TYPES[kind]).reshape(shape)


def _node(content: memoryview) -> Node:
    """Read a NodeProto."""
    node = Node()
    for number, value in _fields(content):
        if number == 1:
            node.inputs.append(bytes(value).decode())
        elif number == 2:
            node.outputs.append(bytes(value).decode())
        elif number == 3:
            node.name = bytes(value).decode()
        elif number == 4:
            node.kind = bytes(value).decode()
        elif number == 5:
            parts = dict(_fields(value))
            if isinstance(parts.get(3), int):
                node.numbers[bytes(parts[1]).decode()] = parts[3]
    return node


def read_ctranslate2(path: Path) -> dict[str, Array]:
    """Read the tensors of a CTranslate2 model of version 6.

    Args:
        path: The file `model.bin`.

    Returns:
        The tensors by name; an alias appears under both names.

    Raises:
        ValueError: If the file has another version or an unknown type of numbers.
    """
    content = path.read_bytes()
    types = {0: "<f4", 1: "i1", 2: "<i2", 3: "<i4", 4: "<f2"}
    position = 0

    def number(kind: str) -> int:
        nonlocal position
        (value,) = struct.unpack_from(f"<{kind}", content, position)
        position += struct.calcsize(kind)
        return int(value)

    def text() -> str:
        nonlocal position
        size = number("H")
        position += size
        return content[position - size : position].rstrip(b"\0").decode()

    if (version := number("I")) != 6:
        raise ValueError(f"{path.name} has version {version} of CTranslate2, wanted 6")
    text()
    number("I")
    tensors: dict[str, Array] = {}
    for _ in range(number("I")):
        name = text()
        shape = [number("I") for _ in range(number("B"))]
        kind, size = number("B"), number("I")
        if kind not in types:
            raise ValueError(f"{name} holds numbers of the unknown type {kind}")
        data = np.frombuffer(content[position : position + size], types[kind])
        tensors[name] = data.reshape(shape)
        position += size
    for _ in range(number("I")):
        alias, name = text(), text()
        tensors[alias] = tensors[name]
    return tensors
