"""MikkTSpace once more, from the thesis and slowly: one corner at a time, floods as recursions, float64."""

import math

import numpy as np

from dream3d.mesh import Mesh


def corner_tangents(mesh: Mesh) -> np.ndarray:
    """Tangent and sign of each corner, [T, 3, 4]; NaN where the method says nothing."""
    return _Reference(mesh).run()


class _Reference:
    def __init__(self, mesh: Mesh) -> None:
        assert mesh.normals is not None
        assert mesh.uvs is not None
        self.keys = [
            [(*mesh.vertices[i].tolist(), *mesh.normals[i].tolist(), *mesh.uvs[i].tolist()) for i in face]
            for face in mesh.faces
        ]
        self.count = len(self.keys)
        self.proper = [len({key[:3] for key in keys}) == 3 for keys in self.keys]
        self.facts = [self.frame(keys) for keys in self.keys]  # (direction of u or None, upright)
        self.upright = [upright for _, upright in self.facts]
        self.walkers = {
            (keys[k], keys[(k + 1) % 3]): face
            for face, keys in enumerate(self.keys)
            if self.proper[face]
            for k in range(3)
        }
        self.group: dict[tuple[int, int], int] = {}

    def frame(self, keys: list[tuple]) -> tuple[np.ndarray | None, bool]:
        """Solve [d1 d2] = [Ps Pt] [t1 t2] for the derivative by s; t = 1 - v."""
        p = [np.array(key[:3]) for key in keys]
        t = [np.array([key[6], 1.0 - key[7]]) for key in keys]
        matrix = np.stack([t[1] - t[0], t[2] - t[0]], axis=1)  # columns are edges in the atlas
        determinant = float(np.linalg.det(matrix))
        if abs(determinant) < 1e-12:
            return None, False
        derivatives = np.stack([p[1] - p[0], p[2] - p[0]], axis=1) @ np.linalg.inv(matrix)  # [3, 2]
        return derivatives[:, 0] / np.linalg.norm(derivatives[:, 0]), determinant > 0

    def neighbour(self, face: int, edge: int) -> int | None:
        """The only other proper triangle that walks this edge backwards (manifold meshes only)."""
        return self.walkers.get((self.keys[face][(edge + 1) % 3], self.keys[face][edge]))

    def flood(self, face: int, key: tuple, name: int, upright: bool) -> None:
        corner = self.keys[face].index(key)
        if (face, corner) in self.group:
            return
        if self.facts[face][0] is None and not any((face, k) in self.group for k in range(3)):
            self.upright[face] = upright
        if self.upright[face] != upright:
            return
        self.group[face, corner] = name
        for edge in (corner, (corner + 2) % 3):
            other = self.neighbour(face, edge)
            if other is not None:
                self.flood(other, key, name, upright)

    def run(self) -> np.ndarray:
        result = np.full((self.count, 3, 4), np.nan)
        for face in range(self.count):
            for corner in range(3):
                if self.proper[face] and self.facts[face][0] is not None and (face, corner) not in self.group:
                    self.flood(face, self.keys[face][corner], 3 * face + corner, self.upright[face])
        members: dict[int, list[tuple[int, int]]] = {}
        for place, name in self.group.items():
            members.setdefault(name, []).append(place)
        for places in members.values():
            value = self.average(places)
            for face, corner in places:
                result[face, corner] = value
        for face in range(self.count):
            for corner in range(3):
                if not self.proper[face]:
                    result[face, corner] = self.copied(self.keys[face][corner], result)
        return result

    def average(self, places: list[tuple[int, int]]) -> np.ndarray:
        total = np.zeros(3)
        for face, corner in places:
            direction = self.facts[face][0]
            if direction is None:
                continue
            keys = self.keys[face]
            normal = np.array(keys[corner][3:6])

            def in_plane(vector: np.ndarray, normal: np.ndarray = normal) -> np.ndarray:
                flat = vector - normal * (normal @ vector)
                return flat / np.linalg.norm(flat)

            here = np.array(keys[corner][:3])
            one, two = (in_plane(np.array(keys[(corner + k) % 3][:3]) - here) for k in (1, 2))
            total += math.acos(np.clip(one @ two, -1, 1)) * in_plane(direction)
        upright = self.upright[places[0][0]]
        return np.array([*(total / np.linalg.norm(total)), 1.0 if upright else -1.0])

    def copied(self, key: tuple, result: np.ndarray) -> np.ndarray:
        for face in range(self.count):
            if self.proper[face] and key in self.keys[face]:
                return result[face, self.keys[face].index(key)]
        return np.full(4, np.nan)
