"""Memory whose surroundings tell when a program writes out of range."""

from collections.abc import Iterator, Mapping

import numpy as np

_ZONE = 4096  # bytes on each side of an array
_ALIGNMENT = 64


class GuardedAllocator:
    """Warp's allocator protocol over NumPy, with a zone of one byte value around each array.

    What a program reads out of range is that byte: launches over guards of different bytes come
    out different.

    Args:
        byte: what zones and fresh arrays are filled with.
    """

    deallocate_requires_context_guard = False  # memory of the host

    def __init__(self, byte: int) -> None:
        self._byte = byte
        self._blocks: dict[int, tuple[np.ndarray, int, int]] = {}
        self._damage: list[str] = []

    def allocate(self, size_in_bytes: int) -> int:
        """Address of new memory.

        Raises:
            MemoryError: there is none left.
        """
        block = np.full(size_in_bytes + 2 * _ZONE + _ALIGNMENT, self._byte, dtype=np.uint8)
        start = _ZONE + -block.ctypes.data % _ALIGNMENT
        address = block.ctypes.data + start
        self._blocks[address] = (block, start, size_in_bytes)
        return address

    def deallocate(self, ptr: int, size_in_bytes: int) -> None:
        """Frees memory after a last look at its zones."""
        self._damage += self._found(ptr, "freed memory")
        del self._blocks[ptr]

    def damage(self, names: Mapping[int, str]) -> list[str]:
        """For each zone that was written into: where.

        Args:
            names: of arrays, by their addresses.
        """
        live = [
            line
            for ptr in self._blocks
            for line in self._found(ptr, names.get(ptr, "other memory"))
        ]
        return self._damage + live

    def _found(self, ptr: int, name: str) -> Iterator[str]:
        block, start, size = self._blocks[ptr]
        before = np.flatnonzero(block[:start] != self._byte)
        if before.size:
            yield f"{start - before[0]} bytes before {name}"
        behind = np.flatnonzero(block[start + size :] != self._byte)
        if behind.size:
            yield f"{behind[-1] + 1} bytes past the end of {name}"
