"""Made-up characters, looking to the front."""

from dream3d.props.family import Build, Family, Part, Vary, parts
from dream3d.props.shapes import (
    Solid,
    beveled_box,
    box,
    cone,
    cylinder,
    ellipsoid,
    lathe,
    pair,
    ring,
    sphere,
    torus,
)


def _eyes(x: float, y: float, z: float, radius: float = 0.075) -> list[Solid]:
    return pair(sphere(radius, 8).at(x, y, z))


def _snowman(v: Vary) -> Build:
    head = v(0.3)
    eye = sphere(0.065, 8).at(0.12, 1.32, 0.25)
    button = sphere(0.075, 8)
    return [
        ("snow", sphere(v(0.52)).at(y=0.42)),
        ("snow", sphere(0.38).at(y=0.92)),
        ("snow", sphere(head).at(y=1.3)),
        ("hat", cylinder(0.36, 0.09, 14).at(y=1.48)),
        ("hat", cylinder(0.23, v(0.34), 14).at(y=1.5)),
        ("scarf", torus(0.27, 0.1, 16, 8).at(y=1.12)),
        ("scarf", box(0.17, 0.42, 0.12).pitched(-12).at(0.16, 0.72, 0.42)),
        ("nose", cone(0.09, 0.36, 8).pitched(90).at(y=1.27, z=0.24)),
        *parts([*pair(eye), button.at(y=0.9, z=0.38), button.at(y=0.62, z=0.49)], "eyes"),
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
        ("scarf", torus(0.3, 0.1, 18, 8).at(y=0.78)),
        ("scarf", box(0.16, 0.36, 0.12).at(0.16, 0.42, 0.33)),
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
        ("crown", cylinder(0.3, 0.18, 14).at(y=0.74)),
        *parts(ring(cone(0.11, 0.3, 6).at(y=0.88, z=0.22), 5), "crown"),
    ]


CHARACTERS = (
    Family(
        ("snowman",),
        (
            Part("snow", "white"),
            Part("hat", "black"),
            Part("scarf", "red"),
            Part("nose", "orange"),
            Part("eyes", "black"),
        ),
        _snowman,
        optional=("hat", "scarf", "nose"),
    ),
    Family(
        ("teddy bear", "bear"),
        (Part("fur", "brown"), Part("belly", "beige"), Part("nose", "black"), Part("scarf", "red")),
        _bear,
        optional=("belly",),
        extra=("scarf",),
    ),
    Family(
        ("robot",),
        (
            Part.metal("body", "gray", ("metal",)),
            Part("arms", "orange", ("limbs",)),
            Part("eyes", "cyan"),
            Part("screen", "navy"),
            Part("antenna", "red"),
        ),
        _robot,
        optional=("screen", "antenna"),
    ),
    Family(
        ("ghost",),
        (Part("sheet", "white"), Part("eyes", "black"), Part("mouth", "black")),
        _ghost,
        optional=("mouth",),
    ),
    Family(
        ("slime", "blob"),
        (
            Part("body", "lime", ("jelly",)),
            Part("eyes", "black"),
            Part("mouth", "red"),
            Part.metal("crown", "golden"),
        ),
        _slime,
        optional=("mouth",),
        extra=("crown",),
    ),
)
