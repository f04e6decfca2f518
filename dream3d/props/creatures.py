"""Animals and other characters, chubby and low-poly, looking to the front."""

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


def _legs(x: float, z: float, height: float, radius: float) -> list[Solid]:
    """Four stubby legs standing on y = 0."""
    leg = cylinder(radius, height, 10)
    return [*pair(leg.at(x, 0.0, z)), *pair(leg.at(x, 0.0, -z))]


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


def _pig(v: Vary) -> Build:
    return [
        ("body", ellipsoid(v(0.48), 0.44, 0.62).at(y=0.62, z=-0.1)),
        ("body", sphere(0.38).at(y=0.78, z=0.46)),
        *parts(_legs(0.26, 0.3, 0.4, 0.14), "body"),
        *parts(pair(cone(0.16, 0.28, 8).scaled(1.0, 1.0, 0.6).rolled(-24).at(0.22, 1.04, 0.42)), "ears"),
        ("snout", cylinder(0.2, 0.2, 12).pitched(90).at(y=0.72, z=0.74)),
        ("snout", torus(0.12, 0.06, 12, 8).pitched(90).at(y=0.74, z=-0.76)),
        *parts(_eyes(0.2, 0.92, 0.76), "eyes"),
    ]


def _sheep(v: Vary) -> Build:
    puffs = [(0.0, 0.75, 0.0, 0.46), (0.26, 0.7, 0.3, 0.3), (0.28, 0.7, -0.3, 0.32), (0.3, 0.78, 0.0, 0.3)]
    wool = [
        s
        for x, y, z, r in puffs
        for s in (pair(sphere(r, 12).at(x, y, z)) if x else [sphere(r).scaled(1, 1, 1.2).at(x, y, z)])
    ]
    return [
        *parts([s.scaled(1.0, 1.0, v(1.0, 0.04)) for s in wool], "wool"),
        ("wool", sphere(0.22, 10).at(y=1.18, z=0.5)),
        ("face", ellipsoid(0.24, 0.3, 0.26).at(y=0.96, z=0.62)),
        *parts(pair(ellipsoid(0.2, 0.09, 0.12, 10).rolled(-20).at(0.32, 1.02, 0.52)), "face"),
        *parts(_legs(0.24, 0.28, 0.45, 0.11), "legs"),
        *parts(_eyes(0.11, 1.02, 0.84, 0.07), "eyes"),
    ]


def _cow(v: Vary) -> Build:
    patch = ellipsoid(0.1, 0.2, 0.24, 10)
    return [
        ("body", beveled_box(v(0.7), 0.62, 1.15, 0.14).at(y=0.42, z=-0.12)),
        ("body", beveled_box(0.46, 0.48, 0.46, 0.08).at(y=0.78, z=0.56)),
        *parts(_legs(0.22, 0.42, 0.46, 0.13), "body"),
        *parts(
            [
                patch.at(0.33, 0.78, 0.1),
                patch.at(-0.33, 0.8, -0.3),
                patch.rolled(90).at(0.1, 1.02, -0.3),
                patch.at(0.33, 0.62, -0.45),
            ],
            "spots",
        ),
        ("muzzle", beveled_box(0.48, 0.26, 0.2, 0.05).at(y=0.72, z=0.8)),
        *parts(pair(cone(0.09, 0.28, 8).rolled(-30).at(0.18, 1.2, 0.5)), "horns"),
        *parts(pair(ellipsoid(0.17, 0.09, 0.1, 8).at(0.34, 1.12, 0.46)), "spots"),
        *parts(_eyes(0.15, 1.1, 0.8, 0.07), "eyes"),
    ]


def _cat(v: Vary) -> Build:
    tail = tube(((0.0, 0.2, -0.3), (0.0, 0.14, -0.62), (0.1, 0.4, -0.82), (0.14, 0.72, -0.74)), 0.1)
    return [
        ("fur", lathe(((0.4, 0.0), (0.42, 0.22), (0.26, 0.62), (0.2, 0.7))).scaled(v(1.0), 1.0, 1.0)),
        ("fur", ellipsoid(0.4, 0.34, 0.34).at(y=0.92, z=0.12)),
        *parts(pair(cone(0.17, 0.34, 8).scaled(1.0, 1.0, 0.6).rolled(-14).at(0.24, 1.12, 0.1)), "fur"),
        ("fur", tail),
        *parts(pair(ellipsoid(0.13, 0.12, 0.2, 10).at(0.18, 0.1, 0.4)), "belly"),
        ("belly", ellipsoid(0.22, 0.28, 0.14).at(y=0.4, z=0.28)),
        ("belly", ellipsoid(0.2, 0.12, 0.12).at(y=0.82, z=0.4)),
        ("nose", sphere(0.075, 8).at(y=0.88, z=0.5)),
        *parts(_eyes(0.18, 0.99, 0.4, 0.085), "eyes"),
    ]


def _bunny(v: Vary) -> Build:
    return [
        ("fur", ellipsoid(v(0.38), 0.42, 0.38).at(y=0.4)),
        ("fur", sphere(0.32).at(y=0.92, z=0.1)),
        *parts(pair(ellipsoid(0.13, v(0.38), 0.1, 10).rolled(-10).at(0.17, 1.42, 0.04)), "fur"),
        *parts(pair(ellipsoid(0.07, 0.26, 0.07, 8).rolled(-10).at(0.17, 1.42, 0.1)), "ears"),
        *parts(pair(ellipsoid(0.15, 0.11, 0.28, 10).at(0.2, 0.1, 0.26)), "fur"),
        ("belly", ellipsoid(0.25, 0.28, 0.14).at(y=0.38, z=0.28)),
        ("tail", sphere(0.17, 10).at(y=0.3, z=-0.4)),
        ("ears", sphere(0.075, 8).at(y=0.88, z=0.42)),
        *parts(_eyes(0.14, 1.0, 0.37), "eyes"),
    ]


def _bear(v: Vary) -> Build:
    arm = ellipsoid(0.14, 0.3, 0.15, 10).rolled(40).at(0.4, 0.62, 0.1)
    leg = ellipsoid(0.17, 0.17, 0.3, 10).at(0.25, 0.17, 0.3)
    return [
        ("fur", ellipsoid(v(0.4), 0.44, 0.34).at(y=0.46)),
        ("fur", ellipsoid(0.38, 0.34, 0.32).at(y=1.04)),
        *parts([*pair(arm), *pair(leg)], "fur"),
        *parts(pair(sphere(0.15, 10).scaled(1.0, 1.0, 0.6).at(0.28, 1.32)), "fur"),
        ("belly", ellipsoid(0.26, 0.28, 0.14).at(y=0.44, z=0.26)),
        ("belly", ellipsoid(0.18, 0.14, 0.14).at(y=0.95, z=0.29)),
        ("nose", sphere(0.08, 8).at(y=1.0, z=0.43)),
        *parts(_eyes(0.15, 1.14, 0.27, 0.065), "nose"),
    ]


def _frog(v: Vary) -> Build:
    thigh = ellipsoid(0.2, 0.28, 0.36, 10).pitched(-20).at(0.46, 0.28, -0.22)
    return [
        ("skin", ellipsoid(v(0.52), 0.38, 0.52).at(y=0.42)),
        *parts(pair(thigh), "skin"),
        *parts(pair(beveled_box(0.26, 0.12, 0.46, 0.05).at(0.5, 0.0, 0.12)), "skin"),
        *parts(pair(sphere(0.2, 12).at(0.26, 0.78, 0.22)), "skin"),
        *parts(pair(sphere(0.13, 10).at(0.27, 0.82, 0.34)), "eyes"),
        ("belly", ellipsoid(0.4, 0.24, 0.2).at(y=0.32, z=0.4)),
    ]


def _turtle(v: Vary) -> Build:
    return [
        ("shell", dome(0.64, v(0.5)).scaled(1.0, 1.0, 1.12).at(y=0.26)),
        ("skin", sphere(0.24, 14).at(y=0.44, z=0.88)),
        *parts(pair(ellipsoid(0.24, 0.13, 0.2, 10).at(0.5, 0.15, 0.42)), "skin"),
        *parts(pair(ellipsoid(0.24, 0.13, 0.2, 10).at(0.5, 0.15, -0.42)), "skin"),
        ("skin", cone(0.11, 0.32, 8).pitched(-90).at(y=0.26, z=-0.66)),
        ("rim", lathe(((0.56, 0.0), (0.7, 0.06), (0.7, 0.16), (0.6, 0.2))).scaled(1.0, 1.0, 1.12).at(y=0.16)),
        *parts(_eyes(0.15, 0.54, 1.04, 0.07), "eyes"),
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


def _robot(v: Vary) -> Build:
    return [
        ("body", beveled_box(v(0.68), 0.62, 0.46, 0.06).at(y=0.36)),
        ("body", beveled_box(0.54, 0.42, 0.44, 0.06).at(y=1.04)),
        *parts(pair(beveled_box(0.16, 0.17, 0.12, 0.02).at(0.13, 1.2, 0.2)), "eyes"),
        ("screen", beveled_box(0.4, 0.26, 0.12, 0.03).at(y=0.58, z=0.2)),
        *parts(pair(beveled_box(0.18, 0.6, 0.22, 0.05).at(0.46, 0.32)), "arms"),
        *parts(pair(beveled_box(0.22, 0.4, 0.28, 0.05).at(0.18, 0.0, 0.02)), "arms"),
        ("antenna", cylinder(0.06, 0.2, 8).at(y=1.44)),
        ("antenna", sphere(0.11, 10).at(y=1.68)),
    ]


def _ghost(v: Vary) -> Build:
    sheet = lathe(((0.5, 0.0), (0.44, 0.5), (0.42, 0.8), (0.3, 1.08), (0.0, 1.2)))
    return [
        ("sheet", sheet.scaled(v(1.0), v(1.0), 0.9)),
        *parts(ring(sphere(0.16, 8).at(z=0.38), 8), "sheet"),
        *parts(pair(ellipsoid(0.22, 0.12, 0.12, 10).rolled(28).at(0.52, 0.68, 0.1)), "sheet"),
        *parts(pair(ellipsoid(0.09, 0.14, 0.08, 10).at(0.16, 0.86, 0.34)), "eyes"),
        ("mouth", ellipsoid(0.1, 0.13, 0.08, 10).at(y=0.54, z=0.39)),
    ]


def _slime(v: Vary) -> Build:
    body = lathe(((0.6, 0.0), (0.68, 0.14), (0.6, 0.42), (0.4, 0.68), (0.14, 0.84), (0.0, 0.96)))
    return [
        ("body", body.scaled(v(1.0), v(1.0), 1.0)),
        *parts(pair(ellipsoid(0.12, 0.17, 0.1, 10).at(0.22, 0.42, 0.56)), "eyes"),
        ("mouth", ellipsoid(0.2, 0.09, 0.1, 10).at(y=0.17, z=0.66)),
    ]


CREATURES = (
    Family(
        ("duck", "rubber duck"),
        (
            Part("body", "yellow"),
            Part("beak", "orange", ("bill",)),
            Part("wings", "golden"),
            Part("eyes", "black"),
        ),
        _duck,
    ),
    Family(
        ("chicken", "hen"),
        (Part("body", "white"), Part("comb", "red"), Part("beak", "orange"), Part("eyes", "black")),
        _chicken,
    ),
    Family(
        ("penguin",),
        (Part("body", "navy"), Part("belly", "white"), Part("beak", "orange"), Part("eyes", "black")),
        _penguin,
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
    ),
    Family(
        ("whale",),
        (Part("body", "blue"), Part("belly", "white"), Part("water", "cyan"), Part("eyes", "black")),
        _whale,
    ),
    Family(
        ("pig", "piglet"),
        (Part("body", "pink"), Part("snout", "beige"), Part("ears", "beige"), Part("eyes", "black")),
        _pig,
    ),
    Family(
        ("sheep", "lamb"),
        (Part("wool", "white"), Part("face", "black"), Part("legs", "black"), Part("eyes", "white")),
        _sheep,
    ),
    Family(
        ("cow",),
        (
            Part("body", "white"),
            Part("spots", "black", ("patches",)),
            Part("muzzle", "pink"),
            Part("horns", "beige"),
            Part("eyes", "black"),
        ),
        _cow,
    ),
    Family(
        ("cat", "kitten"),
        (Part("fur", "orange"), Part("belly", "white"), Part("nose", "pink"), Part("eyes", "black")),
        _cat,
    ),
    Family(
        ("bunny", "rabbit"),
        (
            Part("fur", "gray"),
            Part("belly", "white"),
            Part("ears", "pink"),
            Part("tail", "white"),
            Part("eyes", "black"),
        ),
        _bunny,
    ),
    Family(
        ("teddy bear", "bear"), (Part("fur", "brown"), Part("belly", "beige"), Part("nose", "black")), _bear
    ),
    Family(("frog",), (Part("skin", "green"), Part("belly", "lime"), Part("eyes", "white")), _frog),
    Family(
        ("turtle", "tortoise"),
        (Part("shell", "green"), Part("skin", "lime"), Part("rim", "brown"), Part("eyes", "black")),
        _turtle,
    ),
    Family(
        ("snail",),
        (Part("shell", "brown"), Part("spiral", "orange"), Part("body", "beige"), Part("eyes", "black")),
        _snail,
    ),
    Family(
        ("bee", "bumblebee"),
        (Part("body", "yellow"), Part("stripes", "black"), Part("wings", "white"), Part("eyes", "black")),
        _bee,
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
    ),
    Family(("octopus",), (Part("skin", "purple"), Part("eyes", "white"), Part("mouth", "pink")), _octopus),
    Family(
        ("robot",),
        (
            Part("body", "gray", ("metal",)),
            Part("arms", "orange", ("limbs",)),
            Part("eyes", "cyan"),
            Part("screen", "navy"),
            Part("antenna", "red"),
        ),
        _robot,
    ),
    Family(("ghost",), (Part("sheet", "white"), Part("eyes", "black"), Part("mouth", "black")), _ghost),
    Family(
        ("slime", "blob"),
        (Part("body", "lime", ("jelly",)), Part("eyes", "black"), Part("mouth", "red")),
        _slime,
    ),
)
