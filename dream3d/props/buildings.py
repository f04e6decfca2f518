"""Buildings; doors open to the front."""

from dream3d.props.family import WHOLE_TOP, Build, Family, Part, Vary, parts
from dream3d.props.shapes import (
    Solid,
    beveled_box,
    box,
    cone,
    cylinder,
    dome,
    extrude,
    frustum,
    lathe,
    pair,
    prism_roof,
    ring,
    sphere,
)

ARCH = ((-0.5, 0.0), (0.5, 0.0), (0.5, 0.6), (0.35, 0.88), (0.0, 1.0), (-0.35, 0.88), (-0.5, 0.6))


def _arch(width: float, height: float, depth: float = 0.12) -> Solid:
    """A door or gate with a round top, standing on y = 0."""
    return extrude(ARCH, 1.0).scaled(width, height, depth)


def _house(v: Vary) -> Build:
    width, depth, height = v(1.1), v(0.95), v(0.68)
    window = beveled_box(0.24, 0.24, 0.1, 0.02)
    front = depth / 2
    return [
        ("walls", box(width, height, depth)),
        ("walls", prism_roof(width, 0.5, depth * 0.98).at(y=height, z=0.0)),
        *parts(
            pair(box(width * 0.78, 0.13, depth * 1.2).rolled(-42).at(width * 0.3, height + 0.19, 0.0)), "roof"
        ),
        ("door", box(0.3, 0.5, 0.12).at(z=front)),
        *parts(pair(window.at(width * 0.33, height * 0.42, front)), "windows"),
        *parts(pair(window.yawed(90).at(width / 2, height * 0.42, 0.0)), "windows"),
        ("chimney", box(0.2, 0.55, 0.2).at(width * 0.27, height + 0.15, -depth * 0.22)),
    ]


def _hut(v: Vary) -> Build:
    wall = v(0.56)
    return [
        (
            "roof",
            lathe(((0.74, 0.0), (0.42, 0.42), (0.0, 0.85)), 10, faceted=True)
            .scaled(v(1.05), v(1.0), 1.05)
            .at(y=0.52),
        ),
        ("walls", cylinder(wall, 0.6)),
        ("door", _arch(0.38, 0.5).at(z=wall - 0.01)),
        *parts(
            [beveled_box(0.22, 0.2, 0.1, 0.02).at(y=0.24, z=wall).yawed(s * 62) for s in (-1, 1)], "windows"
        ),
    ]


def _tower(v: Vary) -> Build:
    merlon = box(0.22, 0.22, 0.14).at(y=1.34, z=0.42)
    return [
        ("walls", frustum(v(0.46), 0.4, 1.15)),
        ("walls", lathe(((0.4, 1.05), (0.53, 1.18), (0.53, 1.36), (0.36, 1.36)))),
        *parts(ring(merlon, 7, 180 / 7), "walls"),
        ("roof", cone(0.42, v(0.7)).at(y=1.34)),
        ("door", _arch(0.46, 0.6, 0.2).at(z=0.4)),
        ("windows", _arch(0.28, 0.3, 0.2).at(y=0.74, z=0.37)),
    ]


def _castle(v: Vary) -> Build:
    tower = v(1.0)
    places = [(x, z, tower + 0.3 * (z < 0)) for x in (-0.6, 0.6) for z in (-0.42, 0.42)]
    turrets = [cylinder(0.25, height, 12).at(x, 0.0, z) for x, z, height in places]
    roofs = [cone(0.33, v(0.42), 12).at(x, height, z) for x, z, height in places]
    merlons = [box(0.15, 0.15, 0.16).at(x, 0.66, z) for x in (-0.24, 0.0, 0.24) for z in (-0.42, 0.42)]
    return [
        *parts([*turrets, *merlons, box(1.2, 0.68, 0.9)], "walls"),
        *parts(roofs, "roofs"),
        ("gate", _arch(0.5, 0.6, 0.2).at(z=0.45)),
    ]


def _lighthouse(v: Vary) -> Build:
    return [
        ("walls", frustum(0.42, 0.25, 1.3)),
        ("stripes", frustum(0.41, 0.375, 0.24).at(y=0.25)),
        ("stripes", frustum(0.355, 0.315, 0.24).at(y=0.7)),
        ("stripes", cylinder(0.36, 0.1).at(y=1.26)),
        ("light", cylinder(0.21, 0.3, 12).at(y=1.34)),
        ("stripes", cone(0.32, v(0.3)).at(y=1.62)),
        ("door", _arch(0.36, 0.5, 0.18).at(z=0.36)),
    ]


def _windmill(v: Vary) -> Build:
    blade = beveled_box(0.24, 0.72, 0.07, 0.0).at(y=0.12)
    spin = v.rng.uniform(15, 75)
    blades = [blade.rolled(spin + 90 * k).at(0.0, 1.12, 0.46) for k in range(4)]
    return [
        ("walls", frustum(v(0.5), 0.3, 1.15, 8, faceted=True)),
        *parts(blades, "blades"),
        ("blades", sphere(0.12, 10).at(y=1.12, z=0.48)),
        ("roof", cone(0.42, v(0.42), 8).at(y=1.12)),
        ("door", _arch(0.3, 0.44, 0.14).at(z=0.44)),
    ]


def _tent(v: Vary) -> Build:
    width, depth, height = v(1.3), v(1.3), v(0.95)
    flap = extrude(((-0.26, 0.0), (0.26, 0.0), (0.0, 0.64)), 0.1).scaled(width * 0.9, height, 1.0)
    return [
        ("fabric", prism_roof(width, height, depth)),
        ("entrance", flap.at(z=depth / 2)),
        *parts([beveled_box(0.1, height + 0.16, 0.1, 0.02).at(z=s * depth / 2) for s in (-1, 1)], "poles"),
    ]


def _teepee(v: Vary) -> Build:
    pole = cylinder(0.055, 0.7, 6).pitched(24)
    return [
        ("fabric", frustum(v(0.68), 0.14, v(1.25), 10, faceted=True)),
        ("stripe", frustum(0.56, 0.46, 0.24, 10, faceted=True).at(y=0.42).scaled(1.0, 1.0, 1.0)),
        ("entrance", extrude(((-0.24, 0.0), (0.24, 0.0), (0.0, 0.72)), 0.14).pitched(-22).at(z=0.68)),
        *parts([p.at(y=1.1) for p in ring(pole, 4, 45)], "poles"),
    ]


def _igloo(v: Vary) -> Build:
    tunnel = _arch(0.62, 0.58, 0.5).at(z=v(0.72))
    return [
        ("snow", dome(0.8, v(0.76), 20)),
        ("snow", tunnel),
        ("entrance", _arch(0.4, 0.42, 0.1).at(z=0.98)),
    ]


BUILDINGS = (
    Family(
        ("house", "cottage"),
        (
            Part("walls", "beige"),
            Part("roof", "red"),
            Part("door", "brown"),
            Part.glass("windows", "cyan"),
            Part("chimney", "gray"),
        ),
        _house,
        optional=("door", "windows", "chimney"),
    ),
    Family(
        ("hut",),
        (
            Part("roof", "golden"),
            Part("walls", "beige"),
            Part("door", "brown"),
            Part.glass("windows", "blue"),
        ),
        _hut,
        optional=("door", "windows"),
    ),
    Family(
        ("tower",),
        (Part("walls", "gray"), Part("roof", "blue"), Part("door", "brown"), Part.glass("windows", "yellow")),
        _tower,
        optional=("roof", "door", "windows"),
    ),
    Family(
        ("castle", "fortress"),
        (Part("walls", "gray"), Part("roofs", "red"), Part("gate", "brown", ("door",))),
        _castle,
        optional=("roofs", "gate"),
    ),
    Family(
        ("lighthouse",),
        (
            Part("walls", "white"),
            Part("stripes", "red"),
            Part.glass("light", "yellow"),
            Part("door", "brown"),
        ),
        _lighthouse,
        optional=("stripes", "door"),
    ),
    Family(
        ("windmill",),
        (
            Part("walls", "white"),
            Part("blades", "brown", ("sails",)),
            Part("roof", "red"),
            Part("door", "blue"),
        ),
        _windmill,
        optional=("blades", "door"),
    ),
    Family(
        ("tent",),
        (Part("fabric", "orange", ("canvas",)), Part("entrance", "black"), Part("poles", "brown")),
        _tent,
        optional=("entrance", "poles"),
    ),
    Family(
        ("teepee",),
        (
            Part("fabric", "beige", ("canvas",)),
            Part("stripe", "red"),
            Part("entrance", "black"),
            Part("poles", "brown"),
        ),
        _teepee,
        optional=("stripe", "poles"),
    ),
    Family(("igloo",), (Part("snow", "white", ("ice",)), Part("entrance", "navy")), _igloo, stand=WHOLE_TOP),
)
