"""Birds, fish and small animals, looking to the front."""

from dream3d.props.family import Build, Family, Part, Vary, parts
from dream3d.props.shapes import (
    Solid,
    beveled_box,
    box,
    cone,
    cylinder,
    dome,
    ellipsoid,
    extrude,
    lathe,
    pair,
    ring,
    sphere,
    torus,
    tube,
)


def _eyes(x: float, y: float, z: float, radius: float = 0.075) -> list[Solid]:
    return pair(sphere(radius, 8).at(x, y, z))


def _duck(v: Vary) -> Build:
    return [
        ("body", ellipsoid(v(0.46), 0.38, 0.62).at(y=0.4)),
        ("body", cone(0.26, 0.5, 10).scaled(1.0, 1.0, 0.7).pitched(-58).at(y=0.42, z=-0.42)),
        ("body", sphere(v(0.33)).at(y=1.0, z=0.34)),
        ("body", cylinder(0.22, 0.4, 12).at(y=0.55, z=0.32)),
        ("beak", ellipsoid(0.2, 0.09, 0.26, 12).at(y=0.94, z=0.7)),
        *parts(pair(ellipsoid(0.12, 0.22, 0.36, 10).pitched(-12).at(0.42, 0.46, -0.08)), "wings"),
        *parts(_eyes(0.2, 1.1, 0.57), "eyes"),
    ]


def _chicken(v: Vary) -> Build:
    comb = [
        sphere(r, 8).at(0.0, y, z) for r, y, z in ((0.12, 1.32, 0.42), (0.14, 1.37, 0.27), (0.12, 1.3, 0.12))
    ]
    return [
        ("body", ellipsoid(v(0.42), 0.42, 0.52).at(y=0.6)),
        ("body", cone(0.34, 0.62, 10).scaled(0.7, 1.0, 1.0).pitched(-38).at(y=0.66, z=-0.26)),
        ("body", lathe(((0.36, 0.0), (0.26, 0.36), (0.24, 0.52), (0.0, 0.66)), 12).at(y=0.66, z=0.24)),
        *parts(comb, "comb"),
        ("comb", ellipsoid(0.09, 0.15, 0.09, 8).at(y=0.86, z=0.54)),
        ("beak", cone(0.13, 0.28, 8).pitched(90).at(y=1.06, z=0.42)),
        *parts(pair(cylinder(0.07, 0.28, 8).at(0.2, 0.0, 0.02)), "beak"),
        *parts(pair(beveled_box(0.2, 0.1, 0.32, 0.03).at(0.2, 0.0, 0.1)), "beak"),
        *parts(_eyes(0.17, 1.16, 0.43, 0.065), "eyes"),
    ]


def _penguin(v: Vary) -> Build:
    return [
        ("body", ellipsoid(v(0.46), 0.66, 0.42).at(y=0.7)),
        ("belly", ellipsoid(0.34, 0.5, 0.2).at(y=0.6, z=0.27)),
        ("belly", ellipsoid(0.27, 0.16, 0.12).at(y=1.06, z=0.28)),
        ("beak", cone(0.14, 0.3, 8).scaled(1.0, 1.0, 0.7).pitched(90).at(y=0.98, z=0.34)),
        *parts(pair(ellipsoid(0.1, 0.4, 0.2, 10).rolled(24).at(0.5, 0.68)), "body"),
        *parts(pair(beveled_box(0.28, 0.13, 0.42, 0.05).at(0.2, 0.0, 0.14)), "beak"),
        *parts(_eyes(0.14, 1.12, 0.36, 0.07), "eyes"),
        ("scarf", torus(0.36, 0.11, 18, 8).scaled(1.05, 1.0, 1.0).at(y=0.84)),
        ("scarf", box(0.18, 0.42, 0.12).at(0.16, 0.42, 0.42)),
    ]


def _owl(v: Vary) -> Build:
    return [
        (
            "body",
            lathe(((0.36, 0.0), (0.5, 0.3), (0.5, 0.7), (0.44, 1.0), (0.3, 1.16))).scaled(v(1.0), 1.0, 0.88),
        ),
        *parts(pair(cone(0.17, 0.34, 8).rolled(-16).at(0.3, 1.04)), "body"),
        ("belly", ellipsoid(0.34, 0.36, 0.2).at(y=0.4, z=0.3)),
        *parts(pair(cylinder(0.22, 0.12, 14).pitched(90).at(0.21, 0.88, 0.34)), "belly"),
        *parts(pair(sphere(0.12, 10).at(0.2, 0.88, 0.42)), "eyes"),
        ("beak", cone(0.11, 0.28, 6).pitched(140).at(y=0.82, z=0.42)),
        *parts(pair(ellipsoid(0.12, 0.4, 0.26, 10).at(0.5, 0.55, -0.02)), "wings"),
        *parts(pair(beveled_box(0.22, 0.12, 0.3, 0.04).at(0.19, -0.06, 0.22)), "beak"),
    ]


def _fish(v: Vary) -> Build:
    tail = (
        extrude(((0.44, 0.44), (0.0, 0.08), (0.0, -0.08), (0.44, -0.44), (0.34, 0.0)), 0.16)
        .yawed(90)
        .at(z=-0.54)
    )
    fin = extrude(((-0.3, 0.0), (0.34, 0.0), (-0.08, 0.36), (-0.36, 0.38)), 0.16).yawed(-90)
    return [
        ("body", ellipsoid(v(0.38), v(0.52), 0.7)),
        ("fins", tail),
        ("fins", fin.at(y=0.4)),
        *parts(pair(ellipsoid(0.09, 0.16, 0.28, 10).pitched(20).yawed(-30).at(0.44, -0.14, 0.02)), "fins"),
        *parts(pair(sphere(0.16, 10).at(0.27, 0.16, 0.42)), "eyes"),
        ("belly", ellipsoid(0.3, 0.36, 0.46).at(y=-0.19, z=0.16)),
    ]


def _whale(v: Vary) -> Build:
    spout = tube(((0.0, 0.0, 0.0), (0.08, 0.26, 0.0), (0.26, 0.36, 0.0), (0.36, 0.24, 0.0)), 0.08)
    return [
        ("body", ellipsoid(v(0.55), 0.46, 0.75).at(z=0.15)),
        ("body", tube(((0.0, -0.02, -0.3), (0.0, 0.06, -0.62), (0.0, 0.3, -0.84)), (0.34, 0.2, 0.13), 12)),
        *parts(pair(ellipsoid(0.3, 0.07, 0.2, 10).yawed(28).rolled(16).at(0.24, 0.42, -0.94)), "body"),
        *parts(pair(ellipsoid(0.3, 0.07, 0.17, 10).rolled(-24).at(0.6, -0.18, 0.24)), "body"),
        ("belly", ellipsoid(0.46, 0.34, 0.66).at(y=-0.17, z=0.22)),
        *parts(_eyes(0.42, 0.08, 0.62, 0.09), "eyes"),
        *parts(pair(spout.at(y=0.42, z=0.2)), "water"),
    ]


def _snail(v: Vary) -> Build:
    stalk = [cylinder(0.07, 0.4, 8).pitched(12).at(0.12, 0.5, 0.62), sphere(0.1, 8).at(0.12, 0.92, 0.7)]
    shell = cylinder(v(0.46), 0.44, 16).at(y=-0.22).rolled(90).at(y=0.6, z=-0.16)
    spiral = torus(0.22, 0.1, 14, 8).rolled(90).at(0.22, 0.6, -0.16)
    return [
        ("shell", shell),
        *parts(pair(spiral), "spiral"),
        ("body", ellipsoid(0.24, 0.17, 0.85).at(y=0.16, z=0.05)),
        ("body", ellipsoid(0.22, 0.34, 0.22, 12).at(y=0.34, z=0.64)),
        *parts([m for s in stalk for m in pair(s)], "body"),
        *parts(_eyes(0.12, 0.94, 0.76, 0.075), "eyes"),
    ]


def _bee(v: Vary) -> Build:
    body = ((0.0, -0.68), (0.3, -0.5), (0.46, -0.1), (0.46, 0.2), (0.34, 0.5), (0.0, 0.64))
    return [
        ("body", lathe(body).scaled(v(1.0), 1.0, 1.0).pitched(90)),
        *parts(
            [cylinder(r, 0.19).pitched(90).at(z=z) for r, z in ((0.475, -0.02), (0.41, -0.38))], "stripes"
        ),
        *parts(pair(ellipsoid(0.42, 0.07, 0.24, 10).rolled(34).yawed(20).at(0.44, 0.58, -0.02)), "wings"),
        *parts(_eyes(0.2, 0.14, 0.52, 0.11), "eyes"),
        ("stripes", cone(0.11, 0.24, 8).pitched(-90).at(z=-0.6)),
    ]


def _ladybug(v: Vary) -> Build:
    spots = [(0.34, 0.46, 0.2), (0.4, 0.36, -0.26), (0.16, 0.56, -0.2)]
    return [
        ("shell", dome(0.62, v(0.54)).scaled(1.0, 1.0, 1.12).at(y=0.14)),
        ("head", sphere(0.32, 14).at(y=0.32, z=0.66)),
        *parts([s for p in spots for s in pair(sphere(0.14, 10).at(*p))], "spots"),
        *parts(pair(sphere(0.1, 8).at(0.15, 0.42, 0.92)), "eyes"),
        *parts([s for z in (0.38, 0.0, -0.38) for s in pair(box(0.24, 0.2, 0.13).at(0.52, 0.0, z))], "head"),
    ]


def _octopus(v: Vary) -> Build:
    arm = tube(
        ((0.0, 0.34, 0.14), (0.0, 0.12, 0.36), (0.0, 0.08, 0.62), (0.0, 0.26, 0.8)), (0.16, 0.14, 0.12, 0.08)
    )
    return [
        ("skin", ellipsoid(v(0.44), 0.5, 0.42).at(y=0.76)),
        *parts(ring(arm, 8, 22.5), "skin"),
        *parts(pair(sphere(0.14, 10).at(0.18, 0.76, 0.34)), "eyes"),
        ("mouth", torus(0.09, 0.06, 10, 6).pitched(80).at(y=0.48, z=0.38)),
    ]


CRITTERS = (
    Family(
        ("duck", "rubber duck"),
        (
            Part("body", "yellow"),
            Part("beak", "orange", ("bill",)),
            Part("wings", "golden"),
            Part("eyes", "black"),
        ),
        _duck,
        optional=("wings",),
    ),
    Family(
        ("chicken", "hen"),
        (Part("body", "white"), Part("comb", "red"), Part("beak", "orange"), Part("eyes", "black")),
        _chicken,
        optional=("comb",),
    ),
    Family(
        ("penguin",),
        (
            Part("body", "navy"),
            Part("belly", "white"),
            Part("beak", "orange"),
            Part("eyes", "black"),
            Part("scarf", "red"),
        ),
        _penguin,
        extra=("scarf",),
    ),
    Family(
        ("owl",),
        (
            Part("body", "brown"),
            Part("belly", "beige"),
            Part("wings", "golden"),
            Part("beak", "orange"),
            Part("eyes", "black"),
        ),
        _owl,
        optional=("wings",),
    ),
    Family(
        ("fish", "goldfish"),
        (
            Part("body", "orange"),
            Part("fins", "yellow", ("tail",)),
            Part("belly", "white"),
            Part("eyes", "black"),
        ),
        _fish,
        optional=("fins",),
    ),
    Family(
        ("whale",),
        (Part("body", "blue"), Part("belly", "white"), Part("water", "cyan"), Part("eyes", "black")),
        _whale,
        optional=("water",),
    ),
    Family(
        ("snail",),
        (Part("shell", "brown"), Part("spiral", "orange"), Part("body", "beige"), Part("eyes", "black")),
        _snail,
        optional=("spiral",),
    ),
    Family(
        ("bee", "bumblebee"),
        (Part("body", "yellow"), Part("stripes", "black"), Part("wings", "white"), Part("eyes", "black")),
        _bee,
        optional=("stripes", "wings"),
    ),
    Family(
        ("ladybug", "beetle"),
        (
            Part("shell", "red"),
            Part("spots", "black", ("dots",)),
            Part("head", "black"),
            Part("eyes", "white"),
        ),
        _ladybug,
        optional=("spots",),
    ),
    Family(
        ("octopus",),
        (Part("skin", "purple"), Part("eyes", "white"), Part("mouth", "pink")),
        _octopus,
        optional=("eyes",),
    ),
)
