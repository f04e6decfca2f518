"""Plants and things that grow or lie in the landscape."""

import numpy as np

from dream3d.props.family import QUARTER_TURN, ROUND, WHOLE_TOP, Build, Family, Part, Vary, parts
from dream3d.props.shapes import (
    STAR,
    Solid,
    cylinder,
    dome,
    ellipsoid,
    extrude,
    frustum,
    lathe,
    pair,
    ring,
    rock,
    sphere,
    tube,
)


def _mushroom(v: Vary) -> Build:
    cap, height, stem = v(0.62), v(0.48), v(0.21)
    top = lathe(((0.0, 0.06), (0.72, 0.0), (0.98, 0.05), (1.0, 0.18), (0.87, 0.5), (0.55, 0.83), (0.0, 1.0)))
    top = top.scaled(cap, v(0.5), cap).at(y=0.42)
    spot = ellipsoid(0.16, 0.1, 0.16, 10)
    low = spot.pitched(52).at(y=0.66, z=0.84 * cap)
    return [
        ("cap", top),
        ("stem", lathe(((stem * 1.35, 0.0), (stem, 0.2), (stem * 0.9, height)))),
        *parts(ring(low, 5, v.rng.uniform(0, 72)), "spots"),
        ("spots", spot.at(y=0.9)),
    ]


def _pine_tree(v: Vary) -> Build:
    width = v(0.58)
    tier = frustum(1.0, 0.12, 1.0, 9, faceted=True)
    return [
        ("leaves", tier.scaled(width, 0.55, width).at(y=0.48)),
        ("leaves", tier.scaled(width * 0.8, 0.5, width * 0.8).yawed(20).at(y=0.82)),
        ("leaves", frustum(width * 0.58, 0.0, v(0.55), 9, faceted=True).at(y=1.14)),
        ("trunk", cylinder(v(0.18), 0.6, 10)),
        ("star", extrude(STAR, 0.14).scaled(0.24, 0.24, 1.0).at(y=1.72)),
        *parts(ring(sphere(0.1, 10).at(y=1.03, z=width * 0.66), 5), "baubles"),
        *parts(ring(sphere(0.1, 10).at(y=0.62, z=width * 0.88), 6, 30), "baubles"),
    ]


def _tree(v: Vary) -> Build:
    blob = rock(v.rng, 0.1)
    lobes = [(0.0, 1.3, 0.0, 0.48), (0.36, 1.0, 0.1, 0.4), (-0.3, 1.02, 0.22, 0.4), (0.0, 1.0, -0.34, 0.42)]
    crown = [blob.yawed(70 * k).scaled(s, s * 0.9, s).at(x, y, z) for k, (x, y, z, s) in enumerate(lobes)]
    places = [(0.0, 1.45, 0.42), (0.3, 1.12, 0.46), (-0.3, 1.15, 0.56), (0.66, 1.1, 0.24), (-0.62, 1.1, 0.0)]
    places += [(0.1, 1.5, -0.4), (0.4, 1.1, -0.5), (-0.3, 0.95, -0.6)]
    fruits = [sphere(0.12, 10).at(*place) for place in places]
    return [*parts(crown, "leaves"), ("trunk", frustum(v(0.2), v(0.13), 0.9, 9)), *parts(fruits, "apples")]


def _palm_tree(v: Vary) -> Build:
    frond = tube(
        ((0.0, 0.0, 0.0), (0.0, 0.16, 0.24), (0.0, 0.14, 0.5), (0.0, -0.12, 0.76)), (0.08, 0.11, 0.11, 0.02)
    )
    frond = frond.scaled(1.7, v(1.0), v(1.0))
    coconut = sphere(0.12, 10).at(y=1.2, z=0.17)
    return [
        *parts([leaf.at(y=1.32) for leaf in ring(frond, 6)], "leaves"),
        ("trunk", frustum(v(0.19), 0.12, 1.38, 10)),
        *parts(ring(coconut, 3, 30), "coconuts"),
    ]


def _cactus(v: Vary) -> Build:
    column = lathe(((0.24, 0.0), (0.27, 0.25), (0.27, 0.95), (0.19, 1.15), (0.0, 1.22)), 12)

    def arm(side: float, low: float, top: float) -> list[Solid]:
        bend = (
            (0.15, low),
            (0.3, low),
            (0.42, low + 0.03),
            (0.51, low + 0.12),
            (0.54, low + 0.24),
            (0.54, top),
        )
        return [
            tube(tuple((side * x, y, 0.0) for x, y in bend), 0.13, 10),
            sphere(0.13, 10).at(x=0.54 * side, y=top),
        ]

    return [
        ("body", column.scaled(1.0, v(1.0), 1.0).at(y=0.28)),
        *parts(arm(1.0, 0.62, 1.08), "body"),
        *parts(arm(-1.0, 0.78, 1.24), "body"),
        ("flower", dome(0.2, 0.17, 10).at(y=1.45)),
        ("pot", frustum(v(0.3), v(0.38), 0.36, 14)),
        ("pot", cylinder(0.43, 0.12, 14).at(y=0.28)),
    ]


def _flower(v: Vary) -> Build:
    petal = ellipsoid(0.2, 0.09, 0.24, 10).at(z=0.3)
    head = [p.pitched(70).at(y=1.1, z=0.06) for p in ring(petal, 6)]
    leaf = ellipsoid(0.26, 0.06, 0.12, 10).at(x=0.28).rolled(32).at(y=0.12)
    return [
        *parts([p.scaled(v(1.0), 1.0, 1.0) for p in head], "petals"),
        ("center", ellipsoid(0.2, 0.12, 0.2, 12).pitched(70).at(y=1.12, z=0.13)),
        ("stem", cylinder(0.07, 1.1, 8)),
        *parts(pair(leaf), "stem"),
    ]


def _rock(v: Vary) -> Build:
    boulder = rock(v.rng, 0.16)
    width, height = v(0.72), v(0.58)
    small = rock(v.rng, 0.16).scaled(0.36, 0.3, 0.34).at(0.56, -0.26, 0.42)
    return [
        ("stone", boulder.scaled(width, height, 0.62)),
        ("stone", small),
        ("moss", boulder.scaled(width * 0.88, height * 0.7, 0.55).at(y=0.25)),
    ]


def _crystal(v: Vary) -> Build:
    shard = lathe(((0.16, 0.0), (0.24, 0.62), (0.0, 1.0)), 6, faceted=True)
    small = shard.scaled(0.85, v(0.72), 0.85).pitched(30).at(z=0.14)
    return [
        ("points", shard.scaled(1.1, v(1.4), 1.1)),
        *parts(ring(small, 4, 45), "points"),
        ("base", rock(np.random.default_rng(3), 0.15).scaled(0.52, 0.2, 0.52).at(y=0.05)),
    ]


PLANTS = (
    Family(
        ("mushroom", "toadstool"),
        (Part("cap", "red", ("top",)), Part("stem", "white"), Part("spots", "white", ("dots",))),
        _mushroom,
        ROUND,
        optional=("spots",),
        stand=WHOLE_TOP,
    ),
    Family(
        ("pine tree", "fir tree"),
        (
            Part("leaves", "green", ("needles",)),
            Part("trunk", "brown"),
            Part("star", "yellow"),
            Part("baubles", "red", ("ornaments",)),
        ),
        _pine_tree,
        ROUND,
        extra=("star", "baubles"),
    ),
    Family(
        ("tree", "oak tree"),
        (Part("leaves", "green", ("crown",)), Part("trunk", "brown"), Part("apples", "red", ("fruits",))),
        _tree,
        ROUND,
        extra=("apples",),
    ),
    Family(
        ("palm tree", "palm"),
        (Part("leaves", "green"), Part("trunk", "brown"), Part("coconuts", "beige")),
        _palm_tree,
        ROUND,
        optional=("coconuts",),
    ),
    Family(
        ("cactus",),
        (Part("body", "green"), Part("pot", "orange"), Part("flower", "pink")),
        _cactus,
        180,
        optional=("pot", "flower"),
    ),
    Family(
        ("flower", "daisy"),
        (Part("petals", "pink"), Part("center", "yellow"), Part("stem", "green")),
        _flower,
    ),
    Family(
        ("rock", "boulder"),
        (Part("stone", "gray"), Part("moss", "lime")),
        _rock,
        optional=("moss",),
        stand=WHOLE_TOP,
    ),
    Family(
        ("crystal", "crystals"),
        (Part.glass("points", "cyan", ("shards",)), Part("base", "gray")),
        _crystal,
        QUARTER_TURN,
        optional=("base",),
    ),
)
