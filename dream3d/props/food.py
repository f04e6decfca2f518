"""Things to eat."""

from dream3d.props.family import ROUND, WHOLE_TOP, Build, Family, Part, Vary, parts
from dream3d.props.shapes import (
    cylinder,
    dome,
    ellipsoid,
    extrude,
    frustum,
    lathe,
    pair,
    ring,
    sphere,
    torus,
    tube,
)

GRIN = ((-0.5, 0.3), (-0.2, -0.3), (0.2, -0.3), (0.5, 0.3), (0.16, -0.02), (-0.16, -0.02))


def _donut(v: Vary) -> Build:
    hole, thick = v(0.5), v(0.27)
    icing = torus(0.5, 0.28, 24, 12).scaled(1.0, 0.8, 1.0).pitched(70).at(y=0.05, z=0.09)
    sprinkle = ellipsoid(0.06, 0.05, 0.1, 8).yawed(40).at(y=0.25, z=0.5)
    return [
        ("icing", icing),
        ("dough", torus(0.5, 0.28, 24, 12).scaled(hole / 0.5, thick / 0.27, hole / 0.5).pitched(70)),
        *parts([s.pitched(70).at(y=0.05, z=0.09) for s in ring(sprinkle, 7)], "sprinkles"),
    ]


def _ice_cream(v: Vary) -> Build:
    scoop = v(0.42)
    return [
        ("scoop", sphere(scoop).at(y=1.12)),
        ("scoop", torus(0.34, 0.11, 16, 8).at(y=0.93)),
        ("cone", frustum(0.07, 0.38, v(0.95))),
        ("cherry", sphere(0.15, 12).at(y=1.12 + scoop + 0.06)),
    ]


def _cupcake(v: Vary) -> Build:
    swirl = torus(1.0, 0.42, 18, 8)
    return [
        ("frosting", swirl.scaled(0.36, 0.4, 0.36).at(y=0.62)),
        (
            "frosting",
            lathe(((0.5, 0.5), (0.45, 0.75), (0.33, 0.82), (0.3, 0.98), (0.0, 1.2))).scaled(v(1.0), 1.0, 1.0),
        ),
        ("wrapper", frustum(v(0.34), v(0.48), 0.55, 12, faceted=True)),
        ("cherry", sphere(0.15, 12).at(y=1.2)),
    ]


def _apple(v: Vary) -> Build:
    body = lathe(
        ((0.0, 0.08), (0.22, 0.0), (0.48, 0.16), (0.62, 0.5), (0.56, 0.82), (0.36, 0.98), (0.0, 0.86))
    )
    return [
        ("skin", body.scaled(v(1.0), v(1.0), v(1.0))),
        ("stem", cylinder(0.07, 0.4, 8).rolled(-12).at(y=0.82)),
        ("leaf", ellipsoid(0.26, 0.07, 0.14, 10).rolled(22).at(x=0.3, y=1.14)),
    ]


def _pear(v: Vary) -> Build:
    body = lathe(
        (
            (0.0, 0.04),
            (0.3, 0.0),
            (0.5, 0.2),
            (0.54, 0.45),
            (0.4, 0.78),
            (0.27, 1.0),
            (0.22, 1.16),
            (0.0, 1.28),
        )
    )
    return [
        ("skin", body.scaled(v(1.0), v(1.0), v(1.0))),
        ("stem", cylinder(0.07, 0.34, 8).at(y=1.2)),
        ("leaf", ellipsoid(0.24, 0.07, 0.13, 10).rolled(25).at(x=0.26, y=1.42)),
    ]


def _pumpkin(v: Vary) -> Build:
    rib = ellipsoid(0.27, v(0.46), 0.36, 10).at(y=0.46, z=0.36)
    eye = extrude(((-0.12, 0.0), (0.12, 0.0), (0.0, 0.2)), 0.2).at(0.21, 0.54, 0.6)
    return [
        *parts(ring(rib, 8), "skin"),
        ("stem", tube(((0.0, 0.8, 0.0), (0.0, 1.0, 0.0), (0.12, 1.16, 0.0)), (0.14, 0.1, 0.09))),
        *parts(pair(eye), "face"),
        ("face", extrude(GRIN, 0.2).scaled(0.52, 0.3, 1.0).at(y=0.3, z=0.64)),
    ]


def _carrot(v: Vary) -> Build:
    leaf = ellipsoid(0.1, 0.34, 0.1, 8).at(y=0.28)
    root = lathe(((0.0, 0.0), (0.08, 0.06), (0.27, 0.8), (0.3, 1.05), (0.22, 1.17), (0.0, 1.2)), 14)
    return [
        ("root", root.scaled(v(1.0), 1.0, v(1.0))),
        ("leaves", leaf.scaled(1.2, v(1.0), 1.2).at(y=1.15)),
        *parts([tuft.at(y=1.15) for tuft in ring(leaf.pitched(34), 5)], "leaves"),
    ]


def _burger(v: Vary) -> Build:
    leaf = ellipsoid(0.2, 0.07, 0.2, 10).at(y=0.46, z=0.56)
    return [
        ("bun", dome(0.66, v(0.46)).at(y=0.56)),
        ("bun", lathe(((0.54, 0.0), (0.64, 0.08), (0.64, 0.24)))),
        ("patty", lathe(((0.66, 0.22), (0.72, 0.28), (0.72, 0.38), (0.66, 0.44)))),
        ("lettuce", cylinder(0.66, 0.12).at(y=0.44)),
        *parts(ring(leaf.scaled(1.0, v(1.0), 1.0), 9), "lettuce"),
    ]


def _cake(v: Vary) -> Build:
    drip = ellipsoid(0.14, 0.2, 0.08, 10).at(y=0.5, z=0.62)
    return [
        ("icing", lathe(((0.66, 0.46), (0.66, 0.6), (0.58, 0.68)), 20)),
        *parts(ring(drip, 9), "icing"),
        ("sponge", cylinder(v(0.62, 0.04), 0.55, 20)),
        ("candle", cylinder(0.1, 0.34, 10).at(y=0.64)),
        ("flame", ellipsoid(0.11, 0.17, 0.11, 10).at(y=1.12)),
        ("plate", frustum(0.62, 0.86, 0.1, 20).at(y=-0.1)),
    ]


def _cheese(v: Vary) -> Build:
    wedge = extrude(((-0.8, -0.45), (0.75, -0.5), (0.75, 0.5)), v(0.62)).pitched(-90).at(y=0.31)
    hole = sphere(0.15, 12)
    spots = [(0.3, 0.34, 0.34), (-0.1, 0.2, 0.5), (0.55, 0.5, 0.45), (0.5, 0.15, 0.52)]
    return [("wedge", wedge), *parts([hole.at(*s) for s in spots], "holes")]


FOOD = (
    Family(
        ("donut", "doughnut"),
        (Part("icing", "pink", ("glaze",)), Part("dough", "beige"), Part("sprinkles", "white")),
        _donut,
        optional=("sprinkles",),
    ),
    Family(
        ("ice cream", "ice cream cone"),
        (Part("scoop", "pink"), Part("cone", "golden"), Part("cherry", "red")),
        _ice_cream,
        ROUND,
        optional=("cherry",),
    ),
    Family(
        ("cupcake", "muffin"),
        (Part("frosting", "pink", ("icing",)), Part("wrapper", "cyan"), Part("cherry", "red")),
        _cupcake,
        ROUND,
        optional=("cherry",),
    ),
    Family(
        ("apple",),
        (Part("skin", "red"), Part("leaf", "green"), Part("stem", "brown")),
        _apple,
        optional=("leaf",),
    ),
    Family(
        ("pear",),
        (Part("skin", "lime"), Part("leaf", "green"), Part("stem", "brown")),
        _pear,
        optional=("leaf",),
    ),
    Family(
        ("pumpkin",),
        (Part("skin", "orange"), Part("stem", "green"), Part("face", "yellow")),
        _pumpkin,
        ROUND,
        optional=("stem",),
        extra=("face",),
    ),
    Family(
        ("carrot",), (Part("root", "orange"), Part("leaves", "green")), _carrot, ROUND, optional=("leaves",)
    ),
    Family(
        ("burger", "hamburger"),
        (
            Part("bun", "golden", ("bread",)),
            Part("patty", "brown", ("meat",)),
            Part("lettuce", "lime", ("salad",)),
        ),
        _burger,
        ROUND,
        optional=("lettuce",),
    ),
    Family(
        ("cheese", "cheese wedge"),
        (Part("wedge", "yellow"), Part("holes", "golden")),
        _cheese,
        optional=("holes",),
        stand=WHOLE_TOP,
    ),
    Family(
        ("cake", "birthday cake"),
        (
            Part("icing", "pink", ("frosting",)),
            Part("sponge", "beige"),
            Part("candle", "white"),
            Part("flame", "orange"),
            Part("plate", "blue"),
        ),
        _cake,
        ROUND,
        optional=("flame", "plate"),
    ),
)
