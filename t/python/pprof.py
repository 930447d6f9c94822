# SPDX-License-Identifier: MIT
"""Reads a file of `arenite profile -o`: the messages of pprof, as far as Arenite writes them.

A Profile has .types, the names of the values of a sample; .samples, of (frames, values), the innermost frame first;
.mappings and .comments.  A frame is (function, file, line, address, mapping), where mapping is None or one of
.mappings: {"start", "limit", "offset", "file", "build_id"}.
"""
import gzip


def varint(data, i):
    number = shift = 0
    while True:
        number |= (data[i] & 127) << shift
        shift += 7
        i += 1
        if data[i - 1] < 128:
            return number, i


def fields(data):
    i = 0
    while i < len(data):
        key, i = varint(data, i)
        if key & 7 == 0:
            value, i = varint(data, i)
        elif key & 7 == 2:
            length, i = varint(data, i)
            value, i = data[i:i + length], i + length
        else:
            raise ValueError(f"an encoding that is not used: {key & 7}")
        yield key >> 3, value


def packed(data):
    i = 0
    while i < len(data):
        number, i = varint(data, i)
        yield number


class Profile:
    def __init__(self, path):
        with open(path, "rb") as f:
            data = f.read()
        if data[:2] == b"\x1f\x8b":
            data = gzip.decompress(data)
        parts = {}
        for field, value in fields(data):
            parts.setdefault(field, []).append(value)
        self.strings = [s.decode() for s in parts[6]]
        if self.strings[0] != "":
            raise ValueError("the first string is not empty")
        self.types = [self.strings[dict(fields(t))[1]] for t in parts[1]]
        self.comments = [self.strings[n] for n in parts.get(13, [])]
        self.mappings = {m["id"]: m for m in map(self.mapping, parts.get(3, []))}
        functions = {f[1]: f for f in (dict(fields(f)) for f in parts.get(5, []))}
        self.frames = {}
        for part in parts.get(4, []):
            location = dict(fields(part))
            self.frames[location[1]] = self.frame(location, functions)
        self.samples = [self.sample(dict(fields(s))) for s in parts.get(2, [])]

    def mapping(self, part):
        part = dict(fields(part))
        return {"id": part[1], "start": part.get(2, 0), "limit": part.get(3, 0), "offset": part.get(4, 0),
                "file": self.strings[part.get(5, 0)], "build_id": self.strings[part.get(6, 0)]}

    def frame(self, location, functions):
        function, line = None, 0
        if 4 in location:
            row = dict(fields(location[4]))
            function, line = functions[row[1]], row.get(2, 0)
        mapping = self.mappings[location[2]] if location.get(2) else None
        return (self.strings[function.get(2, 0)] if function else "",
                self.strings[function.get(4, 0)] if function else "", line, location.get(3, 0), mapping)

    def sample(self, part):
        values = list(packed(part[2]))
        if len(values) != len(self.types):
            raise ValueError("a sample has another number of values")
        return [self.frames[n] for n in packed(part.get(1, b""))], dict(zip(self.types, values))
