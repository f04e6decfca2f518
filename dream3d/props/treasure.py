"""Treasure and precious things."""

import math

from dream3d.props.family import HALF_TURN, ROUND, Build, Family, Part, Vary, parts
from dream3d.props.shapes import (
    STAR,
    beveled_box,
    box,
    cylinder,
    dome,
    ellipsoid,
    extrude,
    lathe,
    pair,
    ring,
    sphere,
    torus,
)

HEART = tuple(
    (
        0.055 * 16 * math.sin(t) ** 3,
        0.055 * (13 * math.cos(t) - 5 * math.cos(2 * t) - 2 * math.cos(3 * t) - math.cos(4 * t)),
    )
    for t in (-2 * math.pi * (k + 0.5) / 44 for k in range(44))
)


def _crown(v: Vary) -> Build:
    spike = extrude(((-0.24, 0.0), (0.24, 0.0), (0.0, 0.5)), 0.12).scaled(1.0, v(1.0), 1.0).at(y=0.4, z=0.54)
    jewel = sphere(0.11, 10)
    return [
        ("gold", lathe(((0.58, 0.0), (0.6, 0.46), (0.48, 0.46), (0.48, 0.1)), 16)),
        *parts(ring(spike, 7), "gold"),
        *parts(ring(jewel.at(y=0.24, z=0.58), 7), "jewels"),
        *parts(ring(jewel.at(y=0.92, z=0.54), 7), "jewels"),
        ("cushion", dome(0.48, 0.34, 14).at(y=0.12)),
    ]


def _gem(v: Vary) -> Build:
    stone = lathe(((0.0, 0.0), (0.7, 0.7), (0.46, 1.04)), 8, faceted=True)
    rim = lathe(((0.68, 0.62), (0.76, 0.66), (0.76, 0.74), (0.66, 0.78)), 8, faceted=True)
    width, height = v(1.0), v(1.0)
    return [("stone", stone.scaled(width, height, width)), ("rim", rim.scaled(width, height, width))]


def _coin(v: Vary) -> Build:
    recess = ((0.0, 0.04), (0.64, 0.04), (0.64, 0.0), (0.78, 0.0), (0.78, 0.26), (0.64, 0.26), (0.64, 0.22))
    return [
        ("metal", lathe((*recess, (0.0, 0.22)), 24).pitched(90).at(z=-0.13)),
        ("star", extrude(STAR, v(0.34)).scaled(0.46, 0.46, 1.0)),
    ]


def _trophy(v: Vary) -> Build:
    cup = lathe(((0.1, 0.3), (0.14, 0.44), (0.4, 0.66), (0.48, 1.12), (0.38, 1.12), (0.34, 0.9)))
    return [
        ("cup", cup.scaled(v(1.0), 1.0, v(1.0))),
        *parts(pair(torus(0.2, 0.075, 16, 8).pitched(90).at(0.5, 0.88)), "handles"),
        ("base", beveled_box(0.6, 0.32, 0.6, 0.05)),
        ("star", extrude(STAR, 0.16).scaled(0.22, 0.22, 1.0).at(y=0.86, z=0.44)),
    ]


def _heart(v: Vary) -> Build:
    wing = extrude(((0.0, -0.14), (0.62, 0.06), (0.78, 0.46), (0.4, 0.34), (0.0, 0.26)), 0.12)
    return [
        ("body", extrude(HEART, v(0.36)).scaled(0.7, 0.7, 1.0)),
        *parts(pair(wing.at(0.42, 0.0, -0.1)), "wings"),
    ]


def _star(v: Vary) -> Build:
    eye = ellipsoid(0.085, 0.15, 0.08, 10).at(0.17, 0.04, 0.19)
    return [
        ("body", extrude(STAR, v(0.34)).scaled(0.9, 0.9, 1.0)),
        *parts(pair(eye), "eyes"),
        ("mouth", box(0.26, 0.1, 0.1).at(y=-0.3, z=0.17)),
    ]


def _ring(v: Vary) -> Build:
    return [
        (
            "stone",
            lathe(((0.0, 0.0), (0.3, 0.28), (0.18, 0.42)), 6, faceted=True)
            .scaled(v(1.1), 1.0, v(1.1))
            .at(y=0.5),
        ),
        ("band", torus(0.48, 0.13, 24, 10).pitched(90).scaled(1.0, 1.0, 1.3)),
    ]


def _bell(v: Vary) -> Build:
    body = lathe(((0.58, 0.0), (0.54, 0.12), (0.38, 0.36), (0.34, 0.7), (0.2, 0.86), (0.0, 0.9)))
    return [
        ("metal", body.scaled(v(1.0), v(1.0), v(1.0))),
        ("clapper", sphere(0.17, 12).at(y=-0.04)),
        ("handle", torus(0.17, 0.075, 14, 8).pitched(90).at(y=1.02)),
    ]


def _book(v: Vary) -> Build:
    width, height = v(0.85), v(1.1)
    return [
        *parts([beveled_box(width, height, 0.1, 0.02).at(z=s * 0.17) for s in (-1, 1)], "cover"),
        ("cover", beveled_box(0.12, height, 0.44, 0.03).at(x=-width / 2)),
        ("pages", box(width * 0.9, height * 0.9, 0.3).at(x=-0.02, y=height * 0.05)),
        ("emblem", extrude(STAR, 0.1).scaled(0.3, 0.3, 1.0).at(0.04, height * 0.52, 0.24)),
    ]


def _hourglass(v: Vary) -> Build:
    post = cylinder(0.07, 1.2, 8).at(x=0.4)
    return [
        ("frame", cylinder(0.52, 0.14).at(y=0.0)),
        ("frame", cylinder(0.52, 0.14).at(y=1.14)),
        *parts([p.scaled(1.0, 1.0, 1.0) for p in ring(post, 3, 30)], "frame"),
        ("glass", lathe(((0.34, 0.1), (0.34, 0.34), (0.09, 0.64), (0.34, 0.94), (0.34, 1.18)))),
        ("sand", lathe(((0.39, 0.12), (0.39, v(0.32)), (0.27, 0.5), (0.1, 0.56)))),
    ]


TREASURE = (
    Family(
        ("crown",),
        (
            Part.metal("gold", "golden", ("metal",)),
            Part.glass("jewels", "red", ("gems",)),
            Part("cushion", "purple"),
        ),
        _crown,
        ROUND,
        optional=("jewels", "cushion"),
    ),
    Family(
        ("gem", "diamond", "jewel"),
        (Part.glass("stone", "cyan"), Part("rim", "white", ("edge",))),
        _gem,
        ROUND,
    ),
    Family(
        ("coin",),
        (Part.metal("metal", "golden"), Part("star", "white", ("emblem",))),
        _coin,
        HALF_TURN,
        optional=("star",),
    ),
    Family(
        ("trophy", "prize cup"),
        (
            Part.metal("cup", "golden"),
            Part.metal("handles", "golden"),
            Part("base", "black"),
            Part("star", "red"),
        ),
        _trophy,
        optional=("handles", "base", "star"),
    ),
    Family(("heart",), (Part("body", "red"), Part("wings", "white")), _heart, optional=("wings",)),
    Family(
        ("star",),
        (Part("body", "yellow"), Part("eyes", "black"), Part("mouth", "red")),
        _star,
        optional=("eyes", "mouth"),
    ),
    Family(
        ("ring",), (Part.glass("stone", "cyan", ("gem",)), Part.metal("band", "golden")), _ring, HALF_TURN
    ),
    Family(
        ("bell",),
        (Part.metal("metal", "golden"), Part("handle", "brown"), Part.metal("clapper", "black")),
        _bell,
        HALF_TURN,
        optional=("handle", "clapper"),
    ),
    Family(
        ("book", "spell book"),
        (Part("cover", "purple"), Part("pages", "white"), Part("emblem", "golden", ("star",))),
        _book,
        optional=("emblem",),
    ),
    Family(
        ("hourglass",),
        (Part("frame", "brown"), Part.glass("glass", "cyan"), Part("sand", "yellow")),
        _hourglass,
        ROUND,
        optional=("sand",),
    ),
)
