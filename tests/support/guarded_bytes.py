"""Run the kernel on bytes directly before, or directly behind, a page that must not be touched.

Run as a program: `guarded_bytes.py SEED CASES` reads so many blocks and prints how many lines were proved;
`guarded_bytes.py trespass` loads one byte too many, to show that the fence is there.
"""

from __future__ import annotations

import ctypes
import mmap
import random
import sys

import numpy as np

PAGE = mmap.PAGESIZE
PAGES = 4

LINE = (
    b"ztunnel-4k7rb istio-proxy 2024-11-05T12:00:01.013201Z\terror\taccess\tconnection complete\tsrc.addr=10.0.0.1:80 "
    b'src.workload="a-1" src.namespace="ns" src.identity="spiffe://cluster.local/ns/ns/sa/a" dst.addr=[2001:db8::1]:15008 '
    b'dst.hbone_addr=[2001:db8::1]:8080 dst.service="b.ns.svc.cluster.local" dst.workload=b-1 dst.namespace="ns" '
    b'dst.identity="spiffe://cluster.local/ns/ns/sa/b" direction="outbound" bytes_sent=111 bytes_recv=123456789012 '
    b'duration="77ms" error="http status: 401 \\"Unauthorized\\""'
)
OTHER = b'2024-11-05T12:00:01.013201Z\tinfo\txds::client:xds{id=29}\treceived response\ttype_url="x" size=1 removes=0'
JSON = (
    b'{"message":"' + LINE[26:].replace(b"\\", b"\\\\").replace(b'"', b'\\"').replace(b"\t", b"\\t")
    + b'\\n","nodeName":"node-a","podName":"ztunnel-4k7rb","containerName":"istio-proxy"}'
)  # fmt: skip
OWN = (
    b'{"level":"error","time":"2024-11-05T12:00:01.013201Z","scope":"access","message":"connection complete",'
    b'"src.addr":"10.0.0.1:80","src.workload":"a-1","dst.addr":"[2001:db8::1]:15008","dst.hbone_addr":"[2001:db8::1]:8080",'
    b'"direction":"outbound","bytes_sent":111,"bytes_recv":123456789012,"duration":"77ms","error":"a \\"b\\" c"}'
)
NODE = b'{"key":"k8s.node.name","value":{"stringValue":"node-with-a-name-that-is-longer-than-what-is-looked-at-first-012345678"}}'
BATCH = (
    b'{"resourceLogs":[{"resource":{"attributes":[' + NODE + b']},"scopeLogs":[{"logRecords":['
    + b",".join(
        b'{"timeUnixNano":"179539424759451195%d","body":{"stringValue":%b},"attributes":[%b,%b]}'
        % (number, JSON[11 : JSON.index(b'","nodeName') + 1], NODE, b'{"key":"logtag","value":{"stringValue":"F"}}')
        for number in range(3)
    )
    + b'],"x":[{},[],{"a":[1.5,true,-2e9]}]}]}]}'
)  # fmt: skip
SPECIAL = b'" =\t\n\\[]:.0Z{},'


class Fenced:
    """Memory between two pages that may not be touched."""

    def __init__(self) -> None:
        self._map = mmap.mmap(-1, PAGE * (PAGES + 2))
        self.start = ctypes.addressof(ctypes.c_char.from_buffer(self._map)) + PAGE
        self.end = self.start + PAGE * PAGES
        libc = ctypes.CDLL(None, use_errno=True)
        for page in (self.start - PAGE, self.end):
            if libc.mprotect(ctypes.c_void_p(page), ctypes.c_size_t(PAGE), 0):
                raise OSError(ctypes.get_errno(), "mprotect")

    def put(self, data: bytes, *, at_end: bool) -> memoryview:
        """The data beside one of the fences."""
        address = self.end - len(data) if at_end else self.start
        ctypes.memmove(address, data, len(data))
        return memoryview((ctypes.c_char * len(data)).from_address(address)).cast("B")


def case(chance: random.Random) -> bytes:
    """One block: whole, cut, glued, edited or random lines."""
    lines = []
    for _ in range(chance.randint(1, 6)):
        line = bytearray(chance.choice([LINE, LINE, OTHER, LINE[26:], JSON, JSON, OWN, b"k " + OWN, BATCH, BATCH]))
        if chance.random() < 0.5:
            cut = chance.randrange(len(line))
            line = line[:cut] if chance.random() < 0.5 else line[cut:]
        for _ in range(chance.choice([0, 0, 1, 3, 20])):
            if line:
                line[chance.randrange(len(line))] = (
                    chance.choice(SPECIAL) if chance.random() < 0.7 else chance.randrange(256)
                )
        if chance.random() < 0.1:
            line += bytes(chance.randrange(256) for _ in range(chance.randint(0, 200)))
        if chance.random() < 0.1:
            line = bytearray(chance.choice(SPECIAL) for _ in range(chance.randint(0, 300)))
        lines.append(bytes(line))
    return (b"\n".join(lines) + b"\n")[-PAGE * (PAGES - 1) :]


def main() -> None:
    """See above."""
    from ztflow.kernel import machine
    from ztflow.kernel.blocks import BlockReader, read_block

    fence = Fenced()
    if sys.argv[1] == "trespass":
        from numba import njit

        njit(lambda address: machine.word(address) + machine.u64(1))(fence.end - 7)
        sys.stdout.write("not reached")
        return
    chance = random.Random(int(sys.argv[1]))
    reader = BlockReader()
    proved = 0
    for number in range(int(sys.argv[2])):
        data = case(chance)
        block = reader.read(fence.put(data, at_end=number % 2 == 0))
        proved += block.rows
        padded = np.frombuffer(fence.put(data + bytes(2 * machine.CHUNK_BYTES), at_end=True), np.uint8)
        again = reader._read(padded, len(data))
        settled = reader.read(data)  # after the first reading some errors are refused
        assert (again.rows, again.slow) == (settled.rows, settled.slow)
        if number % 50 == 0:
            alone, _, _ = read_block(data, lambda prefix: None)
            assert alone.num_rows <= block.rows
    sys.stdout.write(str(proved))


if __name__ == "__main__":
    main()
