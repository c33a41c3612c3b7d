"""Reads all fields of one end of a connection as one stretch of the line, taken apart once per distinct stretch."""

from __future__ import annotations

from ztflow.jit.link import Array
from ztflow.kernel.buffers import EndGroups, Texts
from ztflow.kernel.dictionaries import NO_CODE, TOO_MANY_ALIKE, add_group, find_group, group_hash, number
from ztflow.kernel.field_text import KEY
from ztflow.kernel.fields import NO, address_end, is_host, is_ip, port, text
from ztflow.kernel.machine import called, flag, i64, inlined, text_at
from ztflow.kernel.table_layout import DST_IP, SRC_TEXT

_KEY = {name: (text_at(key), len(key)) for name, key in KEY.items()}
_at_src_1, _SRC_1 = _KEY["src_workload"]
_at_src_2, _SRC_2 = _KEY["src_namespace"]
_at_src_3, _SRC_3 = _KEY["src_identity"]
_at_src_4, _SRC_4 = _KEY["src_cluster"]
_at_dst, _DST = _KEY["dst_ip"]
_at_hbone, _HBONE = _KEY["hbone_host"]
_at_dst_1, _DST_1 = _KEY["dst_service"]
_at_dst_2, _DST_2 = _KEY["dst_workload"]
_at_dst_3, _DST_3 = _KEY["dst_namespace"]
_at_dst_4, _DST_4 = _KEY["dst_identity"]
_at_dst_5, _DST_5 = _KEY["dst_cluster"]
_DIRECTION = f'{KEY["direction"]}"'
_at_direction, _DIRECTION_LENGTH = text_at(_DIRECTION), len(_DIRECTION)
_QUOTED, _QUOTED_OR_BARE = flag(False), flag(True)


@called
def src_fields(at: int, spots: Array) -> int:
    """The source's fields, which begin here: to `spots`; where `dst.addr=` is over, or `NO`."""
    spots[0:4, 1] = 0
    if _at_src_1(at):
        spots[0, 0], spots[0, 1], at = text(at + _SRC_1, _QUOTED_OR_BARE)
        if at == NO:
            return NO
    if _at_src_2(at):
        spots[1, 0], spots[1, 1], at = text(at + _SRC_2, _QUOTED_OR_BARE)
        if at == NO:
            return NO
    if _at_src_3(at):
        spots[2, 0], spots[2, 1], at = text(at + _SRC_3, _QUOTED)
        if at == NO:
            return NO
    if _at_src_4(at):
        spots[3, 0], spots[3, 1], at = text(at + _SRC_4, _QUOTED)
        if at == NO:
            return NO
    return at + _DST if _at_dst(at) else NO


@called
def dst_fields(at: int, spots: Array) -> int:
    """The destination's fields, which begin here with its address: to `spots`; where `direction="` is over, or `NO`.

    Spots: address, port, authority, its port, service, workload, namespace, identity, cluster. A port's length is 0,
    its value is in place of where it begins.
    """
    spots[0:9, 1] = 0
    spots[3, 0] = NO
    colon, blank = address_end(at)
    if colon == NO or not is_ip(at, colon - at):
        return NO
    spots[0, 0], spots[0, 1] = at, colon - at
    spots[1, 0] = port(colon + 1, blank)
    if spots[1, 0] == NO:
        return NO
    at = blank + 1
    if _at_hbone(at):
        at += _HBONE
        colon, blank = address_end(at)
        if colon == NO or not (is_ip(at, colon - at) or is_host(at, colon - at)):
            return NO
        spots[2, 0], spots[2, 1] = at, colon - at
        spots[3, 0] = port(colon + 1, blank)
        if spots[3, 0] == NO:
            return NO
        at = blank + 1
    if _at_dst_1(at):
        spots[4, 0], spots[4, 1], at = text(at + _DST_1, _QUOTED_OR_BARE)
        if at == NO:
            return NO
    if _at_dst_2(at):
        spots[5, 0], spots[5, 1], at = text(at + _DST_2, _QUOTED_OR_BARE)
        if at == NO:
            return NO
    if _at_dst_3(at):
        spots[6, 0], spots[6, 1], at = text(at + _DST_3, _QUOTED_OR_BARE)
        if at == NO:
            return NO
    if _at_dst_4(at):
        spots[7, 0], spots[7, 1], at = text(at + _DST_4, _QUOTED)
        if at == NO:
            return NO
    if _at_dst_5(at):
        spots[8, 0], spots[8, 1], at = text(at + _DST_5, _QUOTED)
        if at == NO:
            return NO
    return at + _DIRECTION_LENGTH if _at_direction(at) else NO


@inlined
def _code(texts: Texts, column: int, spots: Array, field: int) -> int:
    if spots[field, 1] == 0:
        return NO_CODE
    entry = number(texts, column, spots[field, 0], spots[field, 1])
    return TOO_MANY_ALIKE if entry < 0 else i64(texts.codes[entry])


@called
def new_src(texts: Texts, src: EndGroups, at: int, count: int, spots: Array) -> int:
    """The group of a source; `TOO_MANY_ALIKE`."""
    hashed = group_hash(texts, at, count)
    group = find_group(texts, src, at, count, hashed)
    if group != NO_CODE:
        return group
    for field in range(4):
        code = _code(texts, SRC_TEXT + field, spots, field)
        if code == TOO_MANY_ALIKE:
            return TOO_MANY_ALIKE
        spots[field, 0] = code
    group = add_group(texts, src, at, count, hashed)
    for field in range(4):
        src.codes[group, field] = spots[field, 0]
    return group


@called
def new_dst(texts: Texts, dst: EndGroups, at: int, count: int, spots: Array) -> int:
    """The group of a destination; `TOO_MANY_ALIKE`."""
    hashed = group_hash(texts, at, count)
    group = find_group(texts, dst, at, count, hashed)
    if group != NO_CODE:
        return group
    for field in range(9):
        if field not in (1, 3):  # ports are kept as plain numbers
            code = _code(texts, DST_IP + (0 if field == 0 else 1 if field == 2 else field - 2), spots, field)
            if code == TOO_MANY_ALIKE:
                return TOO_MANY_ALIKE
            spots[field, 0] = code
    group = add_group(texts, dst, at, count, hashed)
    for field in range(9):
        dst.codes[group, field] = spots[field, 0]
    return group
