"""Tools and weapons, standing upright with their flat side to the front."""

import math

from dream3d.props.family import HALF_TURN, WHOLE_TOP, Build, Family, Part, Vary, parts
from dream3d.props.shapes import (
    STAR,
    beveled_box,
    box,
    cone,
    cylinder,
    extrude,
    frustum,
    lathe,
    pair,
    ring,
    sphere,
    torus,
    tube,
)

SHIELD = (
    (-0.62, 0.35),
    (-0.5, -0.2),
    (-0.26, -0.56),
    (0.0, -0.78),
    (0.26, -0.56),
    (0.5, -0.2),
    (0.62, 0.35),
    (0.62, 0.62),
    (0.0, 0.76),
    (-0.62, 0.62),
)


def _sword(v: Vary) -> Build:
    blade = lathe(((0.25, 0.0), (0.22, 0.84), (0.0, 1.1)), 4, faceted=True).yawed(45)
    return [
        ("blade", blade.scaled(1.0, v(1.05), 0.55).at(y=0.52)),
        ("guard", beveled_box(v(0.78), 0.18, 0.24, 0.05).at(y=0.42)),
        ("handle", cylinder(0.11, 0.36, 10).at(y=0.12)),
        ("guard", sphere(0.16, 10).at(y=0.08)),
    ]


def _dagger(v: Vary) -> Build:
    blade = extrude(((-0.15, 0.0), (0.15, 0.0), (0.24, 0.36), (0.0, 0.86), (-0.1, 0.5)), 0.12)
    return [
        ("blade", blade.scaled(v(1.1), v(1.0), 1.0).at(y=0.56)),
        ("guard", beveled_box(0.56, 0.15, 0.22, 0.05).at(y=0.46)),
        ("handle", cylinder(0.1, 0.42, 10).at(y=0.06)),
        ("gem", sphere(0.16, 10).at(y=0.04)),
    ]


def _axe(v: Vary) -> Build:
    head = extrude(
        (
            (-0.14, -0.12),
            (0.16, -0.14),
            (0.52, -0.36),
            (0.64, 0.0),
            (0.52, 0.36),
            (0.16, 0.14),
            (-0.14, 0.12),
        ),
        0.18,
    )
    return [
        ("blade", head.scaled(v(1.1), v(1.1), 1.0).at(y=1.12)),
        ("handle", beveled_box(0.16, v(1.4, 0.05), 0.15, 0.04)),
    ]


def _hammer(v: Vary) -> Build:
    return [
        ("head", beveled_box(v(0.86), 0.38, 0.38, 0.06).at(y=0.86)),
        ("handle", beveled_box(0.17, v(1.0), 0.17, 0.04)),
        *parts(pair(beveled_box(0.14, 0.46, 0.46, 0.05).at(0.34, 0.82)), "bands"),
    ]


def _pickaxe(v: Vary) -> Build:
    arc = [
        (math.radians(a), r)
        for a, r in zip((-62, -36, -12, 12, 36, 62), (0.02, 0.09, 0.13, 0.13, 0.09, 0.02), strict=True)
    ]
    path = tuple((0.85 * math.sin(a), 0.85 * math.cos(a) - 0.85, 0.0) for a, _ in arc)
    return [
        ("head", tube(path, tuple(r for _, r in arc)).scaled(1.0, v(1.0), 1.1).at(y=1.3)),
        ("head", beveled_box(0.28, 0.26, 0.26, 0.04).at(y=1.14)),
        ("handle", beveled_box(0.15, v(1.36, 0.05), 0.15, 0.04)),
    ]


def _shovel(v: Vary) -> Build:
    blade = extrude(
        ((-0.3, 0.52), (-0.3, 0.16), (-0.16, -0.06), (0.0, -0.14), (0.16, -0.06), (0.3, 0.16), (0.3, 0.52)),
        0.12,
    )
    return [
        ("blade", blade.scaled(v(1.1), 1.0, 1.0).at(y=0.14)),
        ("handle", cylinder(0.075, v(1.0, 0.05), 10).at(y=0.5)),
        ("grip", beveled_box(0.46, 0.15, 0.16, 0.05).at(y=1.42)),
    ]


def _shield(v: Vary) -> Build:
    face = extrude(SHIELD, 0.14)
    return [
        ("face", face.scaled(0.84 * v(1.0), 0.84, 1.0).at(z=0.06)),
        ("rim", extrude(SHIELD, 0.12)),
        ("emblem", extrude(STAR, 0.14).scaled(0.3, 0.3, 1.0).at(y=0.04, z=0.12)),
        ("rim", beveled_box(0.14, 0.7, 0.12, 0.03).at(y=-0.3, z=-0.12)),
    ]


def _bow(v: Vary) -> Build:
    limb = tuple(
        (0.62 * math.cos(math.radians(a)), 0.9 * math.sin(math.radians(a)), 0.0) for a in range(-80, 81, 20)
    )
    return [
        ("limbs", tube(limb, (0.06, 0.08, 0.1, 0.11, 0.11, 0.11, 0.1, 0.08, 0.06))),
        ("string", box(0.06, 1.72, 0.06).at(x=0.13, y=-0.86)),
        ("grip", cylinder(0.15, v(0.36), 10).at(x=0.6, y=-0.18)),
    ]


def _wand(v: Vary) -> Build:
    return [
        ("star", extrude(STAR, 0.18).scaled(v(0.46), v(0.46), 1.0).at(y=1.15)),
        ("stick", cylinder(0.075, v(0.95), 10)),
        ("ribbon", beveled_box(0.34, 0.16, 0.22, 0.05).at(y=0.68)),
    ]


def _staff(v: Vary) -> Build:
    claw = tube(
        ((0.0, 0.0, 0.06), (0.0, 0.12, 0.22), (0.0, 0.32, 0.28), (0.0, 0.5, 0.2)), (0.08, 0.08, 0.07, 0.04)
    )
    return [
        ("orb", sphere(v(0.25)).at(y=1.45)),
        ("wood", cylinder(0.085, v(1.2, 0.04), 10)),
        *parts([c.at(y=1.13) for c in ring(claw, 4, 45)], "wood"),
    ]


def _bomb(v: Vary) -> Build:
    fuse = tube(((0.0, 0.5, 0.0), (0.0, 0.78, 0.0), (0.1, 0.92, 0.0), (0.24, 0.98, 0.0)), 0.07)
    return [
        ("shell", sphere(v(0.56))),
        ("cap", cylinder(0.2, 0.2, 12).at(y=0.48)),
        ("fuse", fuse),
        ("spark", lathe(((0.0, -0.17), (0.17, 0.0), (0.0, 0.17)), 6, faceted=True).at(0.3, 1.0)),
    ]


def _anvil(v: Vary) -> Build:
    side = extrude(
        (
            (-0.4, 0.0),
            (0.4, 0.0),
            (0.4, 0.14),
            (0.2, 0.24),
            (0.2, 0.42),
            (0.42, 0.52),
            (0.42, 0.78),
            (-0.42, 0.78),
            (-0.42, 0.52),
            (-0.2, 0.42),
            (-0.2, 0.24),
            (-0.4, 0.14),
        ),
        0.44,
    )
    horn = cone(0.15, v(0.46), 12).scaled(1.0, 1.0, 1.3).rolled(-90).at(0.38, 0.64)
    return [
        ("iron", side.scaled(v(1.1), 1.0, 1.0)),
        ("iron", horn),
        ("base", beveled_box(1.0, 0.26, 0.72, 0.04).at(y=-0.24)),
    ]


def _key(v: Vary) -> Build:
    bit = box(0.28, 0.15, 0.16)
    return [
        ("metal", torus(0.29, 0.11, 18, 8).pitched(90).scaled(v(1.0), 1.0, 1.1).at(y=1.2)),
        ("metal", cylinder(0.1, 0.98, 10)),
        *parts([bit.at(0.18, 0.02), bit.at(0.18, 0.27)], "metal"),
        ("gem", sphere(0.2, 12).scaled(1.0, 1.0, 0.7).at(y=1.2)),
    ]


def _saw(v: Vary) -> Build:
    teeth = [(1.4 - 0.2 * k - (0.1 if s else 0.0), -0.28 if s else -0.14) for k in range(6) for s in (0, 1)]
    outline = ((0.1, -0.14), *[(x, y) for x, y in reversed(teeth)], (1.5, 0.02), (0.1, 0.26))
    return [
        ("blade", extrude(outline, 0.1)),
        ("handle", beveled_box(0.44, v(0.56), 0.2, 0.08).at(y=-0.26)),
    ]


def _drill_cone(v: Vary) -> Build:
    return [
        ("body", cone(v(0.42), 1.15).at(y=0.1)),
        ("stripes", frustum(0.36, 0.28, 0.24).at(y=0.36)),
        ("base", beveled_box(1.0, 0.14, 1.0, 0.04)),
    ]


def _magnet(v: Vary) -> Build:
    bend = tuple(
        (0.4 * math.cos(math.radians(a)), 0.4 * math.sin(math.radians(a)), 0.0) for a in range(180, 361, 20)
    )
    return [
        ("body", tube(((-0.4, 0.4, 0.0), *bend, (0.4, 0.4, 0.0)), 0.19, 10)),
        *parts(pair(cylinder(0.2, v(0.3), 10).at(0.4, 0.38)), "tips"),
    ]


TOOLS = (
    Family(
        ("sword",),
        (
            Part.metal("blade", "gray"),
            Part("handle", "brown", ("grip",)),
            Part.metal("guard", "golden", ("hilt",)),
        ),
        _sword,
        HALF_TURN,
        optional=("guard",),
    ),
    Family(
        ("dagger", "knife"),
        (
            Part.metal("blade", "white"),
            Part("handle", "navy", ("grip",)),
            Part.metal("guard", "golden"),
            Part.glass("gem", "red"),
        ),
        _dagger,
        optional=("guard", "gem"),
    ),
    Family(("axe", "hatchet"), (Part.metal("blade", "gray", ("head",)), Part("handle", "brown")), _axe),
    Family(
        ("hammer", "mallet"),
        (Part.metal("head", "gray"), Part("handle", "brown"), Part.metal("bands", "golden")),
        _hammer,
        HALF_TURN,
        optional=("bands",),
    ),
    Family(("pickaxe",), (Part.metal("head", "gray"), Part("handle", "brown")), _pickaxe, HALF_TURN),
    Family(
        ("shovel", "spade"),
        (Part.metal("blade", "gray"), Part("handle", "brown"), Part("grip", "red")),
        _shovel,
        HALF_TURN,
    ),
    Family(
        ("shield",),
        (Part("face", "blue"), Part.metal("rim", "gray"), Part.metal("emblem", "golden", ("star",))),
        _shield,
        optional=("emblem",),
    ),
    Family(
        ("bow", "longbow"),
        (Part("limbs", "brown", ("wood",)), Part("string", "white"), Part("grip", "red")),
        _bow,
        optional=("string",),
    ),
    Family(
        ("magic wand", "wand"),
        (Part("star", "yellow"), Part("stick", "purple", ("handle",)), Part("ribbon", "pink")),
        _wand,
        HALF_TURN,
        optional=("ribbon",),
    ),
    Family(
        ("staff", "wizard staff"), (Part.glass("orb", "cyan", ("gem",)), Part("wood", "brown")), _staff, 90
    ),
    Family(
        ("bomb",),
        (Part("shell", "black"), Part.metal("cap", "gray"), Part("fuse", "beige"), Part("spark", "orange")),
        _bomb,
        optional=("spark",),
    ),
    Family(
        ("anvil",),
        (Part.metal("iron", "gray", ("metal",)), Part("base", "brown")),
        _anvil,
        optional=("base",),
        stand=WHOLE_TOP,
    ),
    Family(
        ("key",),
        (Part.metal("metal", "golden"), Part.glass("gem", "red", ("jewel",))),
        _key,
        optional=("gem",),
    ),
    Family(("saw",), (Part.metal("blade", "gray"), Part("handle", "orange")), _saw),
    Family(
        ("traffic cone",),
        (Part("body", "orange"), Part("stripes", "white", ("stripe",)), Part("base", "black")),
        _drill_cone,
        90,
        optional=("stripes",),
    ),
    Family(
        ("magnet",),
        (Part("body", "red"), Part.metal("tips", "white", ("ends",))),
        _magnet,
        HALF_TURN,
        optional=("tips",),
    ),
)
