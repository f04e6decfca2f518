"""Furniture. The front is the side one sits down on, sleeps towards or opens."""

from dream3d.props.family import HALF_TURN, QUARTER_TURN, ROUND, WHOLE_TOP, Build, Family, Part, Vary, parts
from dream3d.props.shapes import (
    Solid,
    beveled_box,
    box,
    cylinder,
    frustum,
    lathe,
    pair,
    ring,
)


def _legs(width: float, depth: float, height: float, thick: float) -> list[Solid]:
    """Four square legs whose outer faces span width x depth."""
    leg = beveled_box(thick, height, thick, 0.02)
    x, z = (width - thick) / 2, (depth - thick) / 2
    return [*pair(leg.at(x, 0.0, z)), *pair(leg.at(x, 0.0, -z))]


def _chair(v: Vary) -> Build:
    width, seat, back = v(0.8), v(0.55), v(0.62)
    post = beveled_box(0.15, seat + back + 0.28, 0.15, 0.02).at(x=width / 2 - 0.075, z=-0.35)
    leg = beveled_box(0.15, seat + 0.02, 0.15, 0.02).at(x=width / 2 - 0.075, z=0.32)
    return [
        ("seat", beveled_box(width * 0.96, 0.16, 0.76, 0.04).at(y=seat, z=0.02)),
        ("seat", beveled_box(width * 0.8, back, 0.12, 0.03).at(y=seat + 0.22, z=-0.34)),
        *parts([*pair(post), *pair(leg)], "legs"),
    ]


def _stool(v: Vary) -> Build:
    leg = cylinder(0.085, 0.78, 8).pitched(-14).at(z=0.42)
    return [
        ("seat", lathe(((0.42, 0.66), (0.48, 0.7), (0.48, 0.82), (0.42, 0.88))).scaled(v(1.0), 1.0, v(1.0))),
        *parts(ring(leg, 4, 45), "legs"),
    ]


def _table(v: Vary) -> Build:
    width, depth, height = v(1.35), v(0.9), v(0.8)
    return [
        ("top", beveled_box(width, 0.16, depth, 0.03).at(y=height)),
        *parts(_legs(width * 0.92, depth * 0.88, height, 0.17), "legs"),
        ("cloth", box(width * 1.05, 0.34, depth * 0.62).at(y=height - 0.16)),
    ]


def _bench(v: Vary) -> Build:
    width = v(1.5)
    side = width / 2 - 0.2
    slat = beveled_box(width, 0.18, 0.13, 0.03)
    return [
        ("planks", beveled_box(width, 0.14, 0.62, 0.03).at(y=0.45)),
        *parts([slat.at(y=0.74, z=-0.26), slat.at(y=1.0, z=-0.28)], "planks"),
        *parts(pair(beveled_box(0.15, 0.5, 0.52, 0.02).at(x=side)), "legs"),
        *parts(pair(beveled_box(0.14, 1.12, 0.12, 0.02).at(side, 0.0, -0.36)), "legs"),
    ]


def _bed(v: Vary) -> Build:
    width, length = v(1.0), v(1.6)
    return [
        ("blanket", beveled_box(width * 0.98, 0.3, length * 0.68, 0.08).at(y=0.3, z=length * 0.15)),
        ("pillow", beveled_box(width * 0.72, 0.2, 0.32, 0.08).at(y=0.46, z=-length * 0.34)),
        ("mattress", beveled_box(width * 0.92, 0.2, length * 0.96, 0.05).at(y=0.3)),
        ("frame", beveled_box(width, 0.18, length, 0.03).at(y=0.14)),
        ("frame", beveled_box(width * 1.06, v(0.95), 0.14, 0.05).at(z=-length / 2)),
        ("frame", beveled_box(width * 1.06, 0.42, 0.12, 0.04).at(z=length / 2)),
    ]


def _sofa(v: Vary) -> Build:
    width = v(1.5)
    return [
        ("body", beveled_box(width, 0.3, 0.75, 0.06).at(y=0.12)),
        ("body", beveled_box(width, v(0.62), 0.24, 0.08).at(y=0.3, z=-0.27)),
        *parts(pair(beveled_box(0.24, 0.5, 0.78, 0.08).at(width / 2 - 0.08, 0.12, 0.02)), "body"),
        *parts(pair(beveled_box(width * 0.4, 0.18, 0.56, 0.06).at(width * 0.2, 0.38, 0.12)), "cushions"),
        *parts(_legs(width, 0.7, 0.14, 0.15), "legs"),
    ]


def _bookshelf(v: Vary) -> Build:
    width, height = v(1.0), v(1.45)
    side = beveled_box(0.12, height, 0.42, 0.02).at(x=width / 2)
    boards = [
        beveled_box(width, 0.1, 0.42, 0.0).at(y=y) for y in (0.0, height * 0.32, height * 0.64, height - 0.1)
    ]
    heights = (0.26, 0.3, 0.22, 0.28)
    rows = []
    for shelf, offset in ((0.1, -0.08), (height * 0.32 + 0.1, 0.06), (height * 0.64 + 0.1, -0.05)):
        for k, tall in enumerate(heights):
            rows.append(beveled_box(0.16, tall, 0.3, 0.02).at(offset + 0.19 * (k - 1.5), shelf, 0.04))
    return [
        *parts([*pair(side), *boards], "frame"),
        ("frame", beveled_box(width, height, 0.1, 0.0).at(z=-0.2)),
        *parts(rows, "books"),
    ]


def _dresser(v: Vary) -> Build:
    width, height = v(1.15), v(0.95)
    drawer = beveled_box(width * 0.84, height * 0.25, 0.12, 0.03)
    knob = beveled_box(0.2, 0.1, 0.12, 0.03)
    rows = [0.14 + height * 0.3 * k for k in range(3)]
    return [
        ("body", beveled_box(width, height, 0.6, 0.03).at(y=0.08)),
        *parts([drawer.at(y=y, z=0.28) for y in rows], "drawers"),
        *parts([knob.at(y=y + height * 0.08, z=0.36) for y in rows], "handles"),
        *parts(_legs(width, 0.58, 0.1, 0.14), "body"),
    ]


def _lamp(v: Vary) -> Build:
    return [
        ("shade", frustum(v(0.52), v(0.3), 0.55).at(y=0.72)),
        ("stand", cylinder(0.09, 0.8, 10)),
        ("stand", lathe(((0.36, 0.0), (0.36, 0.08), (0.12, 0.18)))),
    ]


def _throne(v: Vary) -> Build:
    height = v(1.5)
    post = beveled_box(0.16, height, 0.16, 0.03).at(x=0.42, z=-0.32)
    arm = beveled_box(0.17, 0.14, 0.62, 0.03).at(0.42, 0.68, 0.02)
    return [
        ("cushion", beveled_box(0.68, 0.2, 0.64, 0.06).at(y=0.42)),
        ("cushion", beveled_box(0.58, height * 0.5, 0.12, 0.04).at(y=0.66, z=-0.24)),
        ("frame", beveled_box(0.9, 0.44, 0.8, 0.04)),
        ("frame", beveled_box(0.74, height * 0.9, 0.14, 0.04).at(z=-0.34)),
        *parts(
            [*pair(post), *pair(arm), *pair(beveled_box(0.16, 0.7, 0.16, 0.03).at(0.42, 0.0, 0.3))], "frame"
        ),
        *parts([cylinder(0.13, 0.14, 8).at(s * 0.42, height, -0.32) for s in (-1, 1)], "frame"),
    ]


FURNITURE = (
    Family(
        ("chair",),
        (Part("seat", "blue", ("cushions",)), Part("legs", "brown", ("frame",))),
        _chair,
        stand=(0.3, 1.0),
    ),
    Family(("stool",), (Part("seat", "red"), Part("legs", "brown")), _stool, QUARTER_TURN, stand=WHOLE_TOP),
    Family(
        ("table", "desk"),
        (Part("top", "brown", ("tabletop",)), Part("legs", "beige"), Part("cloth", "white", ("tablecloth",))),
        _table,
        HALF_TURN,
        extra=("cloth",),
        stand=WHOLE_TOP,
    ),
    Family(
        ("bench", "park bench"),
        (Part("planks", "green", ("boards",)), Part.metal("legs", "gray")),
        _bench,
        stand=(0.3, 1.0),
    ),
    Family(
        ("bed",),
        (Part("blanket", "blue"), Part("pillow", "white"), Part("frame", "brown"), Part("mattress", "beige")),
        _bed,
        optional=("pillow",),
        stand=(0.25, 0.9),
    ),
    Family(
        ("sofa", "couch"),
        (Part("body", "red"), Part("cushions", "beige", ("pillows",)), Part("legs", "brown")),
        _sofa,
        optional=("cushions",),
        stand=(0.4, 1.0),
    ),
    Family(
        ("bookshelf", "bookcase"),
        (Part("frame", "brown"), Part("books", "red")),
        _bookshelf,
        optional=("books",),
        stand=WHOLE_TOP,
    ),
    Family(
        ("dresser", "drawer cabinet"),
        (Part("body", "brown"), Part("drawers", "beige"), Part.metal("handles", "black", ("knobs",))),
        _dresser,
        stand=WHOLE_TOP,
    ),
    Family(
        ("lamp", "table lamp"),
        (Part("shade", "yellow", ("lampshade",)), Part("stand", "brown", ("base",))),
        _lamp,
        ROUND,
    ),
    Family(
        ("throne",),
        (Part.metal("frame", "golden"), Part("cushion", "red", ("seat",))),
        _throne,
        optional=("cushion",),
        stand=(0.4, 1.0),
    ),
)
