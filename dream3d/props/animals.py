"""Animals on four legs, chubby and low-poly, looking to the front."""

from dream3d.props.family import WHOLE_TOP, Build, Family, Part, Vary, parts
from dream3d.props.shapes import (
    Solid,
    beveled_box,
    cone,
    cylinder,
    dome,
    ellipsoid,
    lathe,
    pair,
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


def _pig(v: Vary) -> Build:
    return [
        ("body", ellipsoid(v(0.48), 0.44, 0.62).at(y=0.62, z=-0.1)),
        ("body", sphere(0.38).at(y=0.78, z=0.46)),
        *parts(_legs(0.26, 0.3, 0.4, 0.14), "body"),
        *parts(pair(cone(0.16, 0.28, 8).scaled(1.0, 1.0, 0.6).rolled(-24).at(0.22, 1.04, 0.42)), "ears"),
        ("snout", cylinder(0.2, 0.2, 12).pitched(90).at(y=0.72, z=0.74)),
        ("body", torus(0.12, 0.06, 12, 8).pitched(90).at(y=0.74, z=-0.76)),
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


ANIMALS = (
    Family(
        ("pig", "piglet"),
        (Part("body", "pink"), Part("snout", "beige"), Part("ears", "beige"), Part("eyes", "black")),
        _pig,
        optional=("ears",),
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
        optional=("spots", "horns"),
    ),
    Family(
        ("cat", "kitten"),
        (Part("fur", "orange"), Part("belly", "white"), Part("nose", "pink"), Part("eyes", "black")),
        _cat,
        optional=("belly",),
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
        optional=("belly", "tail"),
    ),
    Family(
        ("frog",),
        (Part("skin", "green"), Part("belly", "lime"), Part("eyes", "white")),
        _frog,
        optional=("belly",),
    ),
    Family(
        ("turtle", "tortoise"),
        (Part("shell", "green"), Part("skin", "lime"), Part("rim", "brown"), Part("eyes", "black")),
        _turtle,
        stand=WHOLE_TOP,
    ),
)
