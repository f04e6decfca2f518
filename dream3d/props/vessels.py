"""Ships and aircraft, sailing or flying towards the front."""

from dream3d.props.family import ROUND, Build, Family, Part, Vary, parts
from dream3d.props.shapes import (
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
)


def _boat(v: Vary) -> Build:
    hull = lathe(((0.0, -0.5), (0.36, -0.42), (0.55, 0.0), (0.48, 0.0), (0.3, -0.2)), 16)
    sail = extrude(((0.0, 0.0), (0.78, 0.0), (0.1, 1.1), (0.0, 1.1)), 0.1)
    jib = extrude(((0.0, 0.0), (0.0, 0.85), (-0.5, 0.0)), 0.1)
    return [
        ("hull", hull.scaled(0.72, 0.9, v(1.45)).at(y=0.45)),
        ("sail", sail.yawed(90).scaled(1.0, v(1.0), 0.8).at(y=0.66, z=-0.06)),
        ("flag", jib.yawed(90).scaled(1.0, 0.95, 0.95).at(y=0.66, z=0.1)),
        ("mast", cylinder(0.065, 1.6, 8).at(y=0.3)),
    ]


def _submarine(v: Vary) -> Build:
    blade = ellipsoid(0.12, 0.26, 0.07, 8).at(y=0.2)
    return [
        ("body", ellipsoid(0.44, 0.44, v(0.95))),
        ("tower", beveled_box(0.34, 0.34, 0.46, 0.08).at(y=0.34, z=0.05)),
        ("tower", cylinder(0.065, 0.34, 8).at(y=0.62, z=0.05)),
        ("tower", box(0.13, 0.13, 0.28).at(y=0.88, z=0.12)),
        *parts([cylinder(0.15, 0.12, 12).rolled(-90).at(0.34, 0.06, z) for z in (0.4, 0.0, -0.4)], "windows"),
        *parts([cylinder(0.15, 0.12, 12).rolled(90).at(-0.34, 0.06, z) for z in (0.4, 0.0, -0.4)], "windows"),
        ("windows", sphere(0.2, 12).at(y=0.05, z=0.8)),
        *parts([blade.rolled(120 * k).at(z=-0.98) for k in range(3)], "propeller"),
    ]


def _airplane(v: Vary) -> Build:
    wing = extrude(((0.0, -0.26), (v(1.0), -0.2), (1.0, 0.1), (0.0, 0.26)), 0.1).pitched(-90)
    tail = extrude(((-0.18, 0.0), (0.2, 0.0), (-0.02, 0.46), (-0.22, 0.46)), 0.1).yawed(-90)
    blade = box(0.13, 0.78, 0.09).at(y=-0.39)
    return [
        ("body", lathe(((0.1, -0.9), (0.19, -0.5), (0.28, 0.1), (0.27, 0.5), (0.16, 0.72)), 14).pitched(90)),
        *parts(pair(wing.at(x=0.1, y=0.0, z=0.18)), "wings"),
        *parts(pair(wing.scaled(0.42, 1.0, 0.6).at(y=0.06, z=-0.74)), "wings"),
        ("tail", tail.at(y=0.06, z=-0.72)),
        ("window", dome(0.2, 0.22, 12).scaled(1.0, 1.0, 1.4).at(y=0.2, z=0.22)),
        *parts([blade.rolled(a).at(z=0.78) for a in (35, 125)], "propeller"),
        ("propeller", cone(0.14, 0.22, 10).pitched(90).at(z=0.7)),
    ]


def _helicopter(v: Vary) -> Build:
    blade = beveled_box(v(1.75), 0.06, 0.16, 0.02)
    skid = beveled_box(0.11, 0.1, 0.95, 0.03).at(0.3, 0.0, 0.08)
    return [
        ("body", ellipsoid(0.4, 0.42, v(0.55)).at(y=0.55, z=0.1)),
        ("body", cylinder(0.1, 0.9, 10).pitched(-94).at(y=0.62, z=-0.2)),
        ("window", ellipsoid(0.33, 0.32, 0.4).at(y=0.6, z=0.3)),
        *parts([blade.yawed(a).at(y=1.08, z=0.05) for a in (35, 125)], "rotor"),
        ("rotor", cylinder(0.08, 0.26, 8).at(y=0.88, z=0.05)),
        (
            "tail",
            extrude(((0.0, 0.0), (0.28, 0.0), (0.34, 0.36), (0.16, 0.36)), 0.11)
            .yawed(90)
            .at(y=0.58, z=-0.86),
        ),
        *parts(
            [
                *pair(skid),
                *pair(box(0.1, 0.22, 0.1).at(0.28, 0.05, 0.3)),
                *pair(box(0.1, 0.22, 0.1).at(0.28, 0.05, -0.15)),
            ],
            "skids",
        ),
    ]


def _rocket(v: Vary) -> Build:
    fin = extrude(((0.0, 0.0), (0.36, -0.2), (0.36, 0.1), (0.0, 0.5)), 0.11)
    return [
        ("body", lathe(((0.24, 0.1), (0.33, 0.4), (0.33, 0.8), (0.25, 1.12))).scaled(v(1.0), 1.0, v(1.0))),
        ("nose", lathe(((0.26, 1.1), (0.16, 1.38), (0.0, 1.6)))),
        *parts([f.yawed(-45) for f in ring(fin.at(x=0.24, y=0.16), 4)], "fins"),
        ("window", cylinder(0.17, 0.14, 14).pitched(90).at(y=0.8, z=0.24)),
        ("flame", lathe(((0.0, -0.34), (0.14, -0.08), (0.2, 0.12)), 10)),
    ]


def _ufo(v: Vary) -> Build:
    bulb = sphere(0.12, 8).at(y=-0.06, z=0.7)
    return [
        (
            "saucer",
            lathe(((0.28, -0.24), (0.86, -0.03), (0.9, 0.04), (0.4, 0.22)), 20).scaled(v(1.0), 1.0, 1.0),
        ),
        ("dome", dome(0.42, v(0.44)).at(y=0.18)),
        *parts(ring(bulb.at(z=0.06), 8), "lights"),
    ]


def _balloon(v: Vary) -> Build:
    envelope = lathe(((0.16, 0.0), (0.5, 0.42), (0.6, 0.78), (0.46, 1.1), (0.0, 1.28)), 16)
    rope = cylinder(0.05, 0.46, 6).at(0.13, 0.24, 0.13)
    return [
        ("balloon", envelope.scaled(1.0, v(1.0), 1.0).at(y=0.58)),
        ("stripe", lathe(((0.58, 0.66), (0.625, 0.74), (0.625, 0.9), (0.57, 0.98))).at(y=0.52)),
        ("basket", beveled_box(0.4, 0.32, 0.4, 0.05)),
        *parts(ring(rope, 4), "ropes"),
    ]


VESSELS = (
    Family(
        ("boat", "sailboat"),
        (Part("hull", "brown"), Part("sail", "white"), Part("flag", "red", ("jib",)), Part("mast", "golden")),
        _boat,
        optional=("flag",),
    ),
    Family(
        ("submarine",),
        (
            Part("body", "yellow"),
            Part("tower", "red"),
            Part.glass("windows", "cyan"),
            Part.metal("propeller", "gray"),
        ),
        _submarine,
        optional=("tower", "propeller"),
    ),
    Family(
        ("airplane", "plane"),
        (
            Part("body", "white"),
            Part("wings", "red"),
            Part("tail", "blue"),
            Part.metal("propeller", "gray"),
            Part.glass("window", "cyan", ("cockpit",)),
        ),
        _airplane,
        optional=("propeller",),
    ),
    Family(
        ("helicopter",),
        (
            Part("body", "orange"),
            Part.glass("window", "cyan", ("cockpit",)),
            Part.metal("rotor", "gray", ("blades",)),
            Part("tail", "navy"),
            Part.metal("skids", "gray"),
        ),
        _helicopter,
        optional=("tail", "skids"),
    ),
    Family(
        ("rocket", "spaceship"),
        (
            Part("body", "white"),
            Part("nose", "red"),
            Part("fins", "blue"),
            Part.glass("window", "cyan"),
            Part("flame", "orange"),
        ),
        _rocket,
        optional=("fins", "window", "flame"),
    ),
    Family(
        ("ufo", "flying saucer"),
        (Part.metal("saucer", "gray"), Part.glass("dome", "cyan"), Part("lights", "yellow")),
        _ufo,
        ROUND,
        optional=("lights",),
    ),
    Family(
        ("hot air balloon",),
        (
            Part("balloon", "red", ("envelope",)),
            Part("stripe", "yellow"),
            Part("basket", "brown"),
            Part("ropes", "beige"),
        ),
        _balloon,
        ROUND,
        optional=("stripe",),
    ),
)
