"""Vehicles on wheels and tracks, driving towards the front."""

from dream3d.props.family import WHOLE_TOP, Build, Family, Part, Vary, parts
from dream3d.props.shapes import Solid, beveled_box, box, cylinder, extrude, lathe, pair


def _wheels(x: float, radius: float, width: float, places: tuple[float, ...]) -> list[Solid]:
    """Pairs of wheels that touch y = 0, at the given z."""
    wheel = cylinder(radius, width, 14).at(y=-width / 2).rolled(90)
    return [solid for z in places for solid in pair(wheel.at(x, radius, z))]


def _car(v: Vary) -> Build:
    length, width = v(1.7, 0.05), v(0.86)
    lights = pair(beveled_box(0.2, 0.16, 0.12, 0.03).at(width * 0.32, 0.36, length / 2 - 0.02))
    return [
        ("body", beveled_box(width, 0.36, length, 0.08).at(y=0.18)),
        ("roof", beveled_box(width * 0.86, 0.14, length * 0.4, 0.05).at(y=0.82, z=-0.14)),
        (
            "windows",
            extrude(((-0.58, 0.0), (0.42, 0.0), (0.16, 0.36), (-0.46, 0.36)), 1.0)
            .yawed(-90)
            .scaled(width * 0.84, 1.0, 0.85)
            .at(y=0.52),
        ),
        *parts(_wheels(width * 0.45, 0.23, 0.2, (length * 0.3, -length * 0.3)), "wheels"),
        *parts(lights, "lights"),
    ]


def _truck(v: Vary) -> Build:
    cargo = v(1.0)
    return [
        ("cab", beveled_box(0.8, 0.78, 0.52, 0.08).at(y=0.22, z=0.56)),
        ("cargo", beveled_box(0.88, v(0.88), cargo, 0.03).at(y=0.3, z=0.28 - cargo / 2)),
        ("windows", beveled_box(0.66, 0.3, 0.1, 0.02).at(y=0.62, z=0.8)),
        *parts(pair(box(0.1, 0.28, 0.28).at(0.37, 0.62, 0.6)), "windows"),
        *parts(_wheels(0.36, 0.22, 0.2, (0.55, -0.12, -0.58)), "wheels"),
        *parts(pair(beveled_box(0.18, 0.16, 0.1, 0.02).at(0.26, 0.3, 0.82)), "lights"),
    ]


def _bus(v: Vary) -> Build:
    length = v(1.75, 0.05)
    panes = [box(0.8, 0.3, 0.26).at(y=0.6, z=length * f) for f in (-0.34, -0.12, 0.1)]
    return [
        ("body", beveled_box(0.76, 0.88, length, 0.09).at(y=0.2)),
        *parts(
            [
                *panes,
                box(0.62, 0.4, 0.1).at(y=0.55, z=length / 2),
                box(0.8, 0.3, 0.2).at(y=0.6, z=length * 0.33),
            ],
            "windows",
        ),
        *parts(_wheels(0.34, 0.22, 0.18, (length * 0.3, -length * 0.3)), "wheels"),
        *parts(pair(box(0.18, 0.14, 0.1).at(0.24, 0.3, length / 2)), "lights"),
    ]


def _train(v: Vary) -> Build:
    boiler = cylinder(0.31, 0.95).pitched(90).at(y=0.62, z=-0.05)
    return [
        ("body", boiler.scaled(v(1.0), 1.0, 1.0)),
        ("body", beveled_box(0.74, 0.72, 0.52, 0.03).at(y=0.3, z=-0.36)),
        ("roof", beveled_box(0.86, 0.13, 0.66, 0.04).at(y=1.0, z=-0.36)),
        ("chimney", lathe(((0.11, 0.0), (0.11, 0.3), (0.2, 0.34), (0.2, 0.44))).at(y=0.86, z=0.64)),
        ("chassis", cylinder(0.25, 0.1).pitched(90).at(y=0.62, z=0.86)),
        ("chassis", beveled_box(0.66, 0.16, 1.5, 0.03).at(y=0.2, z=0.12)),
        ("chassis", extrude(((0.0, 0.0), (0.3, 0.0), (0.0, 0.26)), 0.7).yawed(-90).at(y=0.05, z=0.82)),
        *parts(_wheels(0.33, 0.22, 0.15, (0.58, 0.12, -0.38)), "wheels"),
    ]


def _tank(v: Vary) -> Build:
    tread = ((-0.62, 0.0), (0.62, 0.0), (0.84, 0.2), (0.62, 0.42), (-0.62, 0.42), (-0.84, 0.2))
    return [
        ("body", beveled_box(0.72, 0.36, v(1.4), 0.08).at(y=0.22)),
        ("body", lathe(((0.4, 0.0), (0.42, 0.14), (0.3, 0.36)), 10, faceted=True).at(y=0.54, z=-0.1)),
        ("barrel", cylinder(0.09, v(0.85), 10).pitched(88).at(y=0.72, z=0.2)),
        ("barrel", cylinder(0.13, 0.2, 10).pitched(88).at(y=0.74, z=0.95)),
        *parts(pair(extrude(tread, 0.28).yawed(90).at(x=0.46)), "tracks"),
    ]


def _tractor(v: Vary) -> Build:
    rear = v(0.42)
    return [
        ("body", beveled_box(0.5, 0.42, 0.85, 0.06).at(y=0.4, z=0.4)),
        ("body", beveled_box(0.62, 0.26, 0.62, 0.04).at(y=0.38, z=-0.3)),
        ("cabin", box(0.5, 0.42, 0.48).at(y=0.62, z=-0.3)),
        ("body", beveled_box(0.68, 0.13, 0.66, 0.03).at(y=1.04, z=-0.3)),
        ("pipe", cylinder(0.07, 0.36, 8).at(y=0.8, z=0.5)),
        *parts(_wheels(0.44, rear, 0.24, (-0.36,)), "wheels"),
        *parts(_wheels(0.34, 0.25, 0.2, (0.6,)), "wheels"),
    ]


VEHICLES = (
    Family(
        ("car",),
        (
            Part("body", "red"),
            Part.glass("windows", "cyan"),
            Part("roof", "white"),
            Part("wheels", "black", ("tires",)),
            Part("lights", "yellow"),
        ),
        _car,
        optional=("lights",),
        stand=WHOLE_TOP,
    ),
    Family(
        ("truck", "lorry"),
        (
            Part("cab", "blue"),
            Part("cargo", "beige", ("trailer",)),
            Part("windows", "cyan"),
            Part("wheels", "black", ("tires",)),
            Part("lights", "yellow"),
        ),
        _truck,
        optional=("lights",),
        stand=WHOLE_TOP,
    ),
    Family(
        ("bus", "school bus"),
        (
            Part("body", "yellow"),
            Part.glass("windows", "navy"),
            Part("wheels", "black", ("tires",)),
            Part("lights", "white"),
        ),
        _bus,
        optional=("lights",),
        stand=WHOLE_TOP,
    ),
    Family(
        ("train", "locomotive"),
        (
            Part("body", "green"),
            Part("roof", "red"),
            Part("wheels", "golden"),
            Part("chimney", "black"),
            Part.metal("chassis", "gray"),
        ),
        _train,
        optional=("chimney",),
    ),
    Family(
        ("tank",),
        (
            Part("body", "green"),
            Part("tracks", "black", ("treads",)),
            Part.metal("barrel", "gray", ("cannon",)),
        ),
        _tank,
        optional=("barrel",),
        stand=WHOLE_TOP,
    ),
    Family(
        ("tractor",),
        (
            Part("body", "green"),
            Part.glass("cabin", "cyan"),
            Part("wheels", "black", ("tires",)),
            Part.metal("pipe", "gray"),
        ),
        _tractor,
        optional=("pipe",),
    ),
)
