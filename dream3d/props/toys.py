"""Toys, instruments and things to wear."""

import math

from dream3d.props.family import ROUND, WHOLE_TOP, Build, Family, Part, Vary, parts
from dream3d.props.shapes import (
    beveled_box,
    box,
    cone,
    cylinder,
    dome,
    ellipsoid,
    extrude,
    frustum,
    lathe,
    pair,
    tube,
)


def _drum(v: Vary) -> Build:
    height = v(0.62)
    stick = cylinder(0.06, 0.75, 8).pitched(78)
    return [
        ("shell", cylinder(0.54, height, 18)),
        *parts([cylinder(0.59, 0.14, 18), cylinder(0.59, 0.14, 18).at(y=height - 0.1)], "rims"),
        ("skin", cylinder(0.5, 0.08, 18).at(y=height)),
        *parts(
            [s.yawed(a).at(x, height + 0.12, -0.42) for s, a, x in ((stick, 18, -0.16), (stick, -18, 0.16))],
            "sticks",
        ),
    ]


def _guitar(v: Vary) -> Build:
    outline = tuple(
        (r * math.sin(-t), r * 1.15 * math.cos(-t) * 1.0)
        for t, r in (
            (
                2 * math.pi * k / 24,
                0.4 - 0.06 * math.cos(4 * math.pi * k / 24) - 0.1 * math.cos(2 * math.pi * k / 24),
            )
            for k in range(24)
        )
    )
    return [
        ("body", extrude(outline, 0.24).scaled(v(1.1), 1.1, 1.0).at(y=0.45)),
        ("neck", beveled_box(0.15, 0.95, 0.14, 0.02).at(y=0.7, z=0.1)),
        ("head", beveled_box(0.28, 0.3, 0.14, 0.04).at(y=1.6, z=0.08)),
        ("hole", cylinder(0.15, 0.1, 14).pitched(90).at(y=0.52, z=0.06)),
        ("bridge", box(0.32, 0.1, 0.12).at(y=0.16, z=0.13)),
    ]


def _dice(v: Vary) -> Build:
    dot = ellipsoid(0.13, 0.05, 0.13, 10)
    top = [dot.at(y=1.0)]
    front = [dot.pitched(90).at(s * 0.26, 0.5 + t * 0.26, 0.5) for s, t in ((-1, -1), (1, 1), (0, 0))]
    right = [dot.rolled(90).at(0.5, 0.5 + t * 0.26, s * 0.26) for s, t in ((-1, -1), (1, 1))]
    left = [dot.rolled(90).at(-0.5, 0.5 + t * 0.26, s * 0.26) for s in (-1, 1) for t in (-1, 0, 1)]
    back = [dot.pitched(90).at(s * 0.26, 0.5 + t * 0.26, -0.5) for s in (-1, 1) for t in (-1, 1)]
    return [
        ("cube", beveled_box(1.0, v(1.0, 0.0), 1.0, 0.12)),
        *parts([*top, *front, *right, *left, *back], "dots"),
    ]


def _clock(v: Vary) -> Build:
    foot = cylinder(0.1, 0.34, 8).rolled(24).at(0.36, -0.8)
    bell = dome(0.24, 0.2, 12).rolled(-32).at(0.36, 0.56)
    return [
        ("case", cylinder(v(0.68), 0.34, 22).pitched(90).at(z=-0.17)),
        ("face", cylinder(0.54, 0.12, 22).pitched(90).at(z=0.12)),
        *parts(
            [box(0.1, 0.42, 0.1).at(y=-0.05, z=0.25), box(0.3, 0.1, 0.1).at(x=0.12, y=-0.05, z=0.25)], "hands"
        ),
        *parts(pair(bell), "bells"),
        *parts(pair(foot), "feet"),
    ]


def _umbrella(v: Vary) -> Build:
    top = lathe(
        (
            (0.86, 0.0),
            (0.78, 0.2),
            (0.5, 0.42),
            (0.0, 0.56),
        ),
        10,
        faceted=True,
    )
    hook = tube(
        (
            (0.0, 0.9, 0.0),
            (0.0, 0.12, 0.0),
            (0.06, 0.0, 0.0),
            (0.18, -0.03, 0.0),
            (0.28, 0.04, 0.0),
            (0.29, 0.16, 0.0),
        ),
        0.075,
    )
    return [
        ("canopy", top.scaled(v(1.0), v(1.0), 1.0).at(y=0.85)),
        ("handle", hook),
        ("tip", cone(0.09, 0.24, 8).at(y=1.37)),
    ]


def _witch_hat(v: Vary) -> Build:
    crown = tube(
        ((0.0, 0.0, 0.0), (0.0, 0.4, 0.0), (0.03, 0.74, 0.06), (0.14, 1.0, 0.3)), (0.44, 0.3, 0.17, 0.03), 14
    )
    return [
        ("hat", crown.scaled(1.0, v(1.0), 1.0)),
        ("hat", lathe(((0.8, 0.0), (0.78, 0.09), (0.3, 0.16)), 20).scaled(v(1.0), 1.0, 1.0)),
        ("band", frustum(0.46, 0.39, 0.2).at(y=0.1)),
        ("buckle", beveled_box(0.38, 0.34, 0.16, 0.02).at(y=0.05, z=0.42)),
    ]


def _top_hat(v: Vary) -> Build:
    return [
        ("hat", frustum(v(0.42), 0.48, v(0.8), 18)),
        ("hat", lathe(((0.76, 0.0), (0.76, 0.1), (0.4, 0.12)), 20)),
        ("band", cylinder(0.475, 0.22, 18).at(y=0.12)),
    ]


def _boot(v: Vary) -> Build:
    return [
        ("leather", cylinder(v(0.3), 0.75, 14).at(y=0.15, z=-0.2)),
        ("leather", ellipsoid(0.32, 0.28, 0.52).at(y=0.3, z=0.18)),
        ("cuff", cylinder(0.37, 0.24, 14).at(y=v(0.8), z=-0.2)),
        ("sole", beveled_box(0.6, 0.18, 1.15, 0.08).at(z=0.12)),
    ]


TOYS = (
    Family(
        ("drum",),
        (Part("shell", "red"), Part.metal("rims", "golden"), Part("skin", "white"), Part("sticks", "brown")),
        _drum,
        optional=("sticks",),
        stand=WHOLE_TOP,
    ),
    Family(
        ("guitar",),
        (
            Part("body", "orange"),
            Part("neck", "brown"),
            Part("head", "black"),
            Part("hole", "black"),
            Part("bridge", "black"),
        ),
        _guitar,
        optional=("bridge",),
    ),
    Family(
        ("dice", "die"),
        (Part("cube", "white"), Part("dots", "black", ("pips",))),
        _dice,
        optional=("dots",),
        stand=WHOLE_TOP,
    ),
    Family(
        ("alarm clock", "clock"),
        (
            Part("case", "red"),
            Part("face", "white"),
            Part("hands", "black"),
            Part.metal("bells", "golden"),
            Part.metal("feet", "gray"),
        ),
        _clock,
        optional=("hands", "bells", "feet"),
    ),
    Family(
        ("umbrella", "parasol"),
        (Part("canopy", "red"), Part("handle", "brown"), Part.metal("tip", "golden")),
        _umbrella,
        optional=("tip",),
    ),
    Family(
        ("witch hat", "wizard hat"),
        (Part("hat", "purple"), Part("band", "orange"), Part("buckle", "yellow")),
        _witch_hat,
        optional=("band", "buckle"),
    ),
    Family(
        ("top hat",),
        (Part("hat", "black"), Part("band", "red", ("ribbon",))),
        _top_hat,
        ROUND,
        optional=("band",),
        stand=WHOLE_TOP,
    ),
    Family(
        ("boot",),
        (Part("leather", "brown"), Part("cuff", "beige"), Part("sole", "black")),
        _boot,
        optional=("cuff",),
    ),
)
